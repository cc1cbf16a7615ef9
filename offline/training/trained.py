"""A trained network, and how it is taken up again from the folder that training wrote."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl
import torch
from torch import Tensor

from model.item_tower import ItemGraph
from model.network import Network, NetworkShape
from offline.dataset.split_events import read_events
from offline.errors import RunFolderError
from offline.training.checkpoint import BEST_FILE, load_weights, read_weights, save_weights
from offline.training.settings import TrainSettings

HISTORY_FILE = "history.json"


@dataclass(frozen=True)
class Trained:
    """The best network, and how it came about."""

    network: Network
    graph: ItemGraph
    known: Tensor  # [items] bool, the items seen in training
    settings: TrainSettings
    record: dict[str, Any]


def epochs_of(record: dict[str, Any]) -> int:
    """How many epochs a training took, the last one perhaps in part."""
    return math.ceil(max((entry["epoch"] for entry in record["epochs"]), default=0))


def known_items(events: pl.DataFrame, items: int) -> Tensor:
    """`[items]` bool, the items with an event in `events`."""
    known = torch.zeros(items, dtype=torch.bool)
    known[torch.from_numpy(events["item"].to_numpy().astype("int64"))] = True
    known[0] = False
    return known


def load_best_weights(folder: Path) -> dict[str, Tensor]:
    """The best weights of the finished training in `folder`, by parameter, on the CPU.

    Raises:
        RunFolderError: training has not finished there.
    """
    if not (folder / HISTORY_FILE).is_file():
        raise RunFolderError(f"{folder}: expected a finished training with {HISTORY_FILE}, got none: train first")
    return read_weights(folder / BEST_FILE)


def load_trained(split: Path, graph: ItemGraph, folder: Path) -> Trained:
    """The network in `folder`, on the CPU.

    Raises:
        RunFolderError: training has not finished there, or it is of another graph.
    """
    try:
        record = json.loads((folder / HISTORY_FILE).read_text("utf-8"))
        settings = TrainSettings.of_record(record["settings"])
        shape = NetworkShape(**record["shape"]) if "shape" in record else settings.shape()  # cut after training, or not
        parts = record["parts"]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise RunFolderError(
            f"{folder}: expected a finished training with {HISTORY_FILE}, got none ({error}): train first"
        ) from error
    network = Network(graph, shape)
    load_weights(folder / BEST_FILE, network)
    known = known_items(read_events(split, parts), graph.items)
    return Trained(network.eval(), graph, known, settings, record)


def save_trained(trained: Trained, folder: Path) -> None:
    """Write a network that may have been cut since its training, so that `load_trained` finds it in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    save_weights(folder / BEST_FILE, trained.network)
    record = trained.record | {"settings": trained.settings.as_dict(), "shape": asdict(trained.network.shape)}
    (folder / HISTORY_FILE).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
