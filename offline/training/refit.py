"""Refit: after validation has chosen, the final network learns from the validation events too."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from model.network import Network
from offline.errors import RunFolderError
from offline.graph.build import build_graph, item_graph, read_graph
from offline.training.checkpoint import BEST_FILE, fits, load_weights
from offline.training.ranks import ALONE, Ranks
from offline.training.settings import TrainSettings
from offline.training.state import LOSS
from offline.training.train import train
from offline.training.train_data import TrainInputs
from offline.training.trained import HISTORY_FILE, Trained
from offline.workspace.budget import Allowance
from offline.workspace.progress import Progress, TrainProgress

PARTS = ("train", "valid")
GRAPH, WEIGHTS = "graph", "train"
FINAL = "final"  # where the network goes once it is compressed
EPOCHS_SHARE = 0.4
RATE_SHARE = 0.3


def refit(
    split: Path,
    chosen: Path,
    out: Path,
    *,
    device: torch.device,
    meaning: NDArray[np.float32] | None = None,
    allowance: Allowance | None = None,
    progress: Progress | None = None,
    training: Callable[[TrainProgress], None] | None = None,
    ranks: Ranks = ALONE,
) -> Trained:
    """The network of `chosen`, trained on with the graph and the events of train and valid, without validation.

    A second schedule follows the first: a share of its best epochs, at a share of its learning rate. Where valid
    brings a relation that train lacks, the network is another one and learns from the start, for as many epochs as
    were best. The vocabulary stays that of the split. Nothing of context or test is read. Graph and weights go to
    the folders `GRAPH` and `WEIGHTS` in `out`; a checkpoint there is taken up.

    Args:
        chosen: folder of the finished first training.
        meaning: of the items' texts, as the first training read it.
        allowance: the seconds that it may take; where they end before the schedule does, so does the learning rate.
        ranks: this process, and those that follow it.

    Raises:
        RunFolderError: the first training has not finished.
        TrainingError: the loss is not a number.
        RankLost: another process is gone.
    """
    settings, best = _best_schedule(chosen)
    build_graph(split, out / GRAPH, parts=PARTS, without=settings.without, meaning=meaning, progress=progress)
    graph = item_graph(read_graph(out / GRAPH))
    begin_with = chosen / BEST_FILE if fits(chosen / BEST_FILE, Network(graph, settings.shape())) else None
    if begin_with:
        best = max(min(best, 1), round(best * EPOCHS_SHARE))
        settings = replace(settings, learning_rate=settings.learning_rate * RATE_SHARE)
    return train(
        TrainInputs(split, graph, replace(settings, epochs=math.ceil(best)), PARTS, out / GRAPH),
        out / WEIGHTS,
        device=device,
        allowance=allowance,
        fixed_epochs=best,
        begin=None if begin_with is None else partial(load_weights, begin_with),
        progress=training,
        ranks=ranks,
    )


def _best_schedule(chosen: Path) -> tuple[TrainSettings, float]:
    """The settings of the first training, and the epochs that it was best after."""
    path = chosen / HISTORY_FILE
    try:
        record = json.loads(path.read_text("utf-8"))
        settings, epochs = TrainSettings.of_record(record["settings"]), record["epochs"]
        sign = -1 if record.get("metric") == LOSS else 1
        best = max(epochs, key=lambda epoch: sign * epoch["value"])["epoch"]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise RunFolderError(f"{path}: expected a finished training, got none ({error}): train first") from error
    return settings, best
