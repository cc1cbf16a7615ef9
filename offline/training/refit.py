"""Refit: after validation has chosen, the final network learns from the validation events too."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from app.errors import RunFolderError
from offline.dataset.progress import Progress
from offline.graph.build import build_graph, item_graph, read_graph
from offline.training.progress import TrainProgress
from offline.training.settings import TrainSettings
from offline.training.train import train
from offline.training.trained import HISTORY_FILE, Trained

PARTS = ("train", "valid")
GRAPH, WEIGHTS = "graph", "train"


def refit(
    split: Path,
    chosen: Path,
    out: Path,
    *,
    device: torch.device,
    progress: Progress | None = None,
    training: Callable[[TrainProgress], None] | None = None,
) -> Trained:
    """The network of `chosen` once more, from train and valid events, by the same settings and without validation.

    It is as long as the chosen network's best epoch, of the same schedule of learning rates; where a budget ended
    the first training, the schedule ends with its last epoch. The vocabulary stays that of the split. Nothing of
    context or test is read. Graph and weights go to the folders `GRAPH` and `WEIGHTS` in `out`; what is finished
    there is kept, and a checkpoint is taken up.

    Args:
        split: folder of the split.
        chosen: folder of the finished first training.
        out: folder to write.
        device: where.
        progress: told how far the graph is.
        training: told of every step.

    Raises:
        RunFolderError: the first training has not finished.
        TrainingError: the loss is not a number.
    """
    settings, epochs = _schedule(chosen)
    build_graph(split, out / GRAPH, parts=PARTS, without=settings.without, progress=progress)
    graph = item_graph(read_graph(out / GRAPH))
    return train(split, graph, out / WEIGHTS, settings, device=device, parts=PARTS, exactly=epochs, progress=training)


def _schedule(chosen: Path) -> tuple[TrainSettings, int]:
    """The settings of the second training, and its epochs."""
    path = chosen / HISTORY_FILE
    try:
        record = json.loads(path.read_text("utf-8"))
        settings, epochs = TrainSettings.of_record(record["settings"]), record["epochs"]
        best = max(epochs, key=lambda epoch: epoch["value"])["epoch"]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise RunFolderError(f"{path}: expected a finished training, found none ({error}): train first") from error
    if not record["in_time"]:
        settings = replace(settings, epochs=len(epochs))
    return settings, best
