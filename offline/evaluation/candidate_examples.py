"""Candidates and features of scored users, made by the engine, with what came true of them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from app.artifact.columns import offsets_of
from app.artifact.names import PADDING_ROW
from app.artifact.rank_features import FEATURES
from app.artifact.user_state import read_user_states
from app.engine.candidate_sources import union_of_sources
from app.engine.kernels.features import rank_features
from app.engine.recommend import recommend
from app.engine.requests import RequestBatch, Stages, pad_rows, user_context_of
from app.engine.snapshot import Snapshot
from offline.evaluation.metrics import DEPTH
from offline.evaluation.next_session import happened, next_session
from offline.evaluation.protocol import Cases, RowLists
from offline.evaluation.requests import batch_of_cases, bundle_rows, map_rows
from offline.workspace.progress import Progress, silent

_BATCH = 128


@dataclass(frozen=True)
class Examples:
    """Candidates of `lists` users one after another."""

    features: NDArray[np.float32]  # [candidates, FEATURES]
    rows: NDArray[np.int64]  # [candidates] of the bundle
    sources: NDArray[np.uint8]  # [candidates]
    target: NDArray[np.bool_]  # [candidates]
    happened: NDArray[np.bool_]  # [candidates, links of the chain]
    offsets: NDArray[np.int64]  # [lists + 1]
    targets: RowLists  # of the lists, found or not, by row of the bundle

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def lines(self) -> NDArray[np.int64]:
        """The list of each candidate."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    def keep(self, mask: NDArray[np.bool_]) -> "Examples":
        """All lists with those of their candidates that are `kept`, `[candidates]`."""
        if mask.all():  # features are most of the memory: no copy without need
            return self
        lengths = np.bincount(self.lines()[mask], minlength=len(self))
        return Examples(
            self.features[mask],
            self.rows[mask],
            self.sources[mask],
            self.target[mask],
            self.happened[mask],
            offsets_of(lengths),
            self.targets,
        )

    def take(self, lists: NDArray[np.int64]) -> "Examples":
        """Those of the chosen lists, in that order."""
        lengths = np.diff(self.offsets)[lists]
        offsets = offsets_of(lengths)
        candidate_index = np.arange(offsets[-1]) + np.repeat(self.offsets[lists] - offsets[:-1], lengths)
        counts = self.targets.lengths()[lists]
        ends = offsets_of(counts)
        target_index = np.arange(ends[-1]) + np.repeat(self.targets.offsets[lists] - ends[:-1], counts)
        return Examples(
            self.features[candidate_index],
            self.rows[candidate_index],
            self.sources[candidate_index],
            self.target[candidate_index],
            self.happened[candidate_index],
            offsets,
            RowLists(ends, self.targets.rows[target_index]),
        )


def examples_of(
    snapshot: Snapshot,
    split: Path,
    cases: Cases,
    mask: str,
    chain: list[str],
    progress: Progress | None = None,
    without: NDArray[np.bool_] | None = None,
) -> Examples:
    """The candidates of every case, as a request of the service would have them.

    Args:
        snapshot: a bundle that knows nothing of what the cases hold out.
        split: folder of the split.
        cases: who is scored.
        mask: seen, purchased or none: what is hidden.
        chain: behaviours, from the first step to the last.
        progress: called with every batch.
        without: `[rows]` of the bundle, those that are left out of the lists.
    """
    report_progress = progress or silent
    item_ids = pl.read_parquet(split / "items.parquet", columns=["row", "item_id"]).sort("row")["item_id"].to_list()
    rows = bundle_rows(item_ids, snapshot.items)
    states = read_user_states(snapshot.folder)
    requests, _ = batch_of_cases(cases, rows, states, snapshot.manifest.shapes.window)
    hidden, targets = map_rows(cases.mask(mask), rows), map_rows(cases.targets, rows)
    span = len(snapshot.tables.scales)
    target_keys = np.unique(targets.lines() * span + targets.rows)
    case, item, types = next_session(split, cases)
    links = [np.unique((case * span + rows[item])[which]) for which in happened(types, chain).T]
    batches: list[_Listed] = []
    lengths = np.zeros(len(cases), dtype=np.int64)
    for lines, batch in _batches(requests, hidden):
        report_progress(int(lines[0]), len(cases), "candidates and features")
        retrieved = recommend(snapshot, batch, DEPTH, Stages(ranking=False))
        candidates = union_of_sources(batch, retrieved, snapshot.tables, snapshot.items.popular_rows)
        features = rank_features(snapshot.tables, candidates, user_context_of(batch, retrieved.query_vectors))
        lists = _Listed(features, candidates.rows, candidates.sources, lines[candidates.request_index])
        if without is not None:
            lists = lists.keep(~without[lists.rows])
        lengths[lines] = np.bincount(lists.lines, minlength=len(cases))[lines]
        batches.append(lists)
    report_progress(len(cases), len(cases), "candidates and features")
    lists = _join(batches, int(lengths.sum()))
    keys = lists.lines * span + lists.rows
    return Examples(
        features=lists.features,
        rows=lists.rows,
        sources=lists.sources,
        target=np.isin(keys, target_keys) & (lists.rows != PADDING_ROW),
        happened=np.stack([np.isin(keys, link) for link in links], axis=1),
        offsets=offsets_of(lengths),
        targets=targets,
    )


@dataclass(frozen=True)
class _Listed:
    """Candidates of some cases one after another."""

    features: NDArray[np.float32]  # [candidates, FEATURES]
    rows: NDArray[np.int64]  # [candidates]
    sources: NDArray[np.uint8]  # [candidates]
    lines: NDArray[np.int64]  # [candidates] the case of each

    def keep(self, mask: NDArray[np.bool_]) -> "_Listed":
        return _Listed(self.features[mask], self.rows[mask], self.sources[mask], self.lines[mask])


def _join(batches: list[_Listed], total: int) -> _Listed:
    """All of them, `total` candidates; the list is emptied on the way, so that nothing is in memory twice."""
    joined = _Listed(
        np.empty((total, len(FEATURES)), np.float32),
        np.empty(total, np.int64),
        np.empty(total, np.uint8),
        np.empty(total, np.int64),
    )
    end = total
    while batches:
        last = batches.pop()
        part = slice(end - len(last.rows), end)
        joined.features[part], joined.rows[part] = last.features, last.rows
        joined.sources[part], joined.lines[part] = last.sources, last.lines
        end = part.start
    return joined


def _batches(requests: RequestBatch, hidden: RowLists) -> Iterator[tuple[NDArray[np.int64], RequestBatch]]:
    for start in range(0, len(requests), _BATCH):
        lines = np.arange(start, min(start + _BATCH, len(requests)))
        exclude = pad_rows([hidden.of(int(line)).astype(np.int64) for line in lines])
        yield lines, replace(requests.take(lines), exclude_rows=exclude)
