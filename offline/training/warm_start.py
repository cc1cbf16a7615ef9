"""Warm start: training begins with the weights of an earlier run, item by item id and attribute by name."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from model.item_tower import ItemGraph
from model.network import Network
from offline.dataset.split_meta import SplitMeta, read_split_meta
from offline.errors import RunFolderError
from offline.graph.build import GRAPH_FILE
from offline.graph.item_features import item_attributes
from offline.split.fresh_valid import ENOUGH
from offline.training.settings import TrainSettings
from offline.training.trained import known_items, load_best_weights
from offline.workspace.run_folder import RunFolder

WARM_SHARE = 1 / 3
"""Of the epochs of a cold start: most of what there is to learn was learned."""

_IDS = "items.ids"
_ATTRIBUTES = "items.attributes"

Begin = Callable[[Network], None]
"""Puts weights into a fresh network."""


@dataclass(frozen=True)
class WarmStart:
    """The settings and first weights of a training."""

    settings: TrainSettings
    begin: Begin | None  # None begins cold
    record: dict[str, Any]  # for the record: `warm`, and why not, or how many items are taken over and fresh


def plan_warm_start(
    earlier: RunFolder, folder: RunFolder, graph: ItemGraph, settings: TrainSettings, epochs: int | None = None
) -> WarmStart:
    """A warm start from the run in `earlier` for the one in `folder`, or a cold one with the reason in `record`.

    Nothing that `folder` tests on may have trained the weights: so it begins cold where the cut could have moved such
    events (random draws, or a cut by time before that of the earlier run).

    Args:
        earlier: a run whose training is finished.
        folder: the run that is to train; its split and graph are there.
        graph: of `folder`.
        settings: of a cold start.
        epochs: of a warm one; a third of the cold ones if left out.
    """
    try:
        weights = load_best_weights(earlier.train)
        reason = _cut_reason(read_split_meta(earlier.split), read_split_meta(folder.split)) or _shape_reason(
            weights, graph, settings
        )
        reason = reason or _relation_reason(earlier, folder)
        if reason is None:
            begin, counts = _map_weights(weights, earlier, folder, graph)
    except (OSError, KeyError, ValueError, pl.exceptions.PolarsError, RunFolderError) as error:
        first = str(error).partition("\n")[0]
        reason = f"the run in {earlier.path} cannot be read ({first})"
    if reason is not None:
        return WarmStart(settings, None, {"warm": False, "reason": f"began cold: {reason}"})
    fewer = replace(settings, epochs=epochs or max(1, math.ceil(settings.epochs * WARM_SHARE)))
    return WarmStart(fewer, begin, {"warm": True, "from": earlier.path.name, **counts})


def _cut_reason(before: SplitMeta, now: SplitMeta) -> str | None:
    if before.dataset != now.dataset:
        return f"the earlier run is of {before.dataset}, this one of {now.dataset}"
    if before.how != now.how:
        return f"the earlier run was cut by {before.how}, this one by {now.how}"
    fresh = now.fresh_valid or 0
    if now.how == "random":
        return "a random cut tests on events that trained the earlier run"
    if not now.by_time and fresh < ENOUGH:
        return f"{fresh} events are left to validate on that it did not know, expected {ENOUGH} at least"
    if before.test_cut is not None and now.test_cut is not None and now.test_cut < before.test_cut:
        return "the cut lies before that of the earlier run, which was trained on what is tested on now"
    return None


def _shape_reason(weights: dict[str, Tensor], graph: ItemGraph, settings: TrainSettings) -> str | None:
    with torch.device("meta"):
        expected = {name: tuple(value.shape) for name, value in Network(graph, settings.shape()).state_dict().items()}
    actual = {name: tuple(value.shape) for name, value in weights.items()}
    for shapes in (expected, actual):  # rows of these are mapped
        for name in (_IDS, _ATTRIBUTES):
            if name in shapes:
                shapes[name] = shapes[name][1:]
    if expected == actual:
        return None
    name = next(name for name in sorted(expected | actual) if expected.get(name) != actual.get(name))
    return f"the earlier network has other sizes ({name}: {actual.get(name)}, now {expected.get(name)})"


def _relation_reason(earlier: RunFolder, folder: RunFolder) -> str | None:
    """Gates stand in the order of the relations."""
    before, now = (
        [name for name, count in json.loads((run.graph / GRAPH_FILE).read_text("utf-8"))["edges"].items() if count]
        for run in (earlier, folder)
    )
    return None if before == now else f"the earlier graph has the relations {', '.join(before)}, now {', '.join(now)}"


def _map_weights(
    weights: dict[str, Tensor], earlier: RunFolder, folder: RunFolder, graph: ItemGraph
) -> tuple[Begin, dict[str, int]]:
    before, now = (pl.read_parquet(run.split / "items.parquet").sort("row") for run in (earlier, folder))
    trained = known_items(pl.read_parquet(earlier.split / "train.parquet"), before.height + 1).numpy()
    items = _positions(before["item_id"].to_list(), now["item_id"].to_list()) + 1  # row 0 is no item
    items = np.where(trained[items], items, 0)
    attributes = _positions(item_attributes(before)[1].names(), item_attributes(now)[1].names())
    kept = torch.from_numpy(np.flatnonzero(items)), torch.from_numpy(items[items > 0])
    named = torch.from_numpy(np.flatnonzero(attributes >= 0)), torch.from_numpy(attributes[attributes >= 0])

    @torch.no_grad()
    def begin(network: Network) -> None:
        for name, value in network.state_dict(keep_vars=True).items():
            given = weights[name].to(value.device)
            if name == _IDS:
                value[kept[0] + 1] = given[kept[1]]
            elif name == _ATTRIBUTES:
                value[named[0]] = given[named[1]]
            else:
                value.copy_(given)

    return begin, {"known_items": len(kept[0]), "fresh_items": graph.items - 1 - len(kept[0])}


def _positions(before: Sequence[str], now: Sequence[str]) -> np.ndarray:
    """Where each of `now` stood in `before`, -1 for those that are new."""
    place = {name: position for position, name in enumerate(before)}
    return np.array([place.get(name, -1) for name in now], dtype=np.int64)
