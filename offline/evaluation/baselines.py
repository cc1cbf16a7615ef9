"""What a model has to beat: the most popular items, and item-kNN with tuned decay and normalisation."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from app.errors import DatasetError
from offline.dataset.progress import Progress, silent
from offline.evaluation.metrics import DEPTH, parse_metric, table_of
from offline.evaluation.protocol import Cases, RowLists, known_events, load_cases, read_meta

Rankings = dict[str, NDArray[np.int32]]
"""Item rows `[n, depth]`, best first, filled up with 0, for every protocol."""

TUNING_USERS = 3_000

_WINDOW = 10  # places that a co-occurrence may span
_NEIGHBOURS = 200
_MAX_HISTORY = 100  # newest events that are asked for neighbours, where there is an order
_BLOCK = 1_024  # users scored at once


@dataclass(frozen=True)
class KnnSettings:
    """What of item-kNN is tuned."""

    decay: float = 0.7  # of a co-occurrence, for each further place between two events
    source_power: float = 0.5  # similarity = co-occurrence / (count of source ** this * count of target ** that)
    target_power: float = 0.5
    history_decay: float = 0.8  # of an event's say, for each newer event of the user


_GRID: dict[str, Sequence[dict[str, float]]] = {
    "normalisation": [
        {"source_power": source, "target_power": target}
        for source, target in ((0.5, 0.5), (0.5, 0.25), (0.5, 0.0), (1.0, 0.0), (1.0, 0.5), (0.25, 0.5))
    ],
    "history_decay": [{"history_decay": decay} for decay in (0.5, 0.7, 0.8, 0.9, 1.0)],
    "decay": [{"decay": decay} for decay in (0.4, 0.55, 0.7, 0.85, 1.0)],
}
_WITHOUT_ORDER = ("normalisation",)


def popularity(folder: Path, cases: Cases, protocols: Sequence[str], depth: int = DEPTH) -> Rankings:
    """The items with most events before the cut: in train, for test in train and valid. Ties go by row."""
    order = _popular_rows(known_events(folder, cases.part), read_meta(folder)["n_items"])
    return {protocol: _best_allowed(order, cases.mask(protocol), depth) for protocol in protocols}


def item_knn(
    folder: Path,
    cases: Cases,
    protocols: Sequence[str],
    settings: KnnSettings | None = None,
    depth: int = DEPTH,
    progress: Progress | None = None,
) -> Rankings:
    """Items like those that the user touched lately; popular ones where too few are like them.

    With an order, events of a user at most `_WINDOW` places apart co-occur, weighted by `decay`, and newer
    events of a history weigh more; without, all items of a user co-occur once. Settings are tuned by default.

    Raises:
        DatasetError: a protocol or a metric has no meaning.
    """
    meta = read_meta(folder)
    settings = settings or tune_item_knn(folder, progress=progress)
    events = known_events(folder, cases.part)
    counted = _co_occurrence(events, meta["n_items"] + 1, settings.decay if meta["has_order"] else None)
    similar = _pruned(_normalised(counted, _counts(events, meta["n_items"]), settings))
    popular = _popular_rows(events, meta["n_items"])
    asked = _histories(cases, similar.shape[0], settings.history_decay if meta["has_order"] else None)
    return _ranked(asked, similar, popular, {name: cases.mask(name) for name in protocols}, depth, progress)


def tune_item_knn(folder: Path, seed: int = 0, progress: Progress | None = None) -> KnnSettings:
    """The settings that do best on the first metric and protocol of at most `TUNING_USERS` users of valid.

    Co-occurrence is counted in train alone. One group of settings is varied at a time, the others held.
    """
    tell = progress or silent
    meta = read_meta(folder)
    best = KnnSettings()
    try:
        cases = load_cases(folder, "valid", TUNING_USERS, seed)
    except DatasetError:  # nobody to tune on
        return best
    metric, protocol = parse_metric(meta["metrics"][0]), meta["mask"][0]
    n_items, has_order = meta["n_items"], meta["has_order"]
    events = known_events(folder, "valid")
    counts, popular = _counts(events, n_items), _popular_rows(events, n_items)
    masks = {protocol: cases.mask(protocol)}
    groups = [group for group in _GRID if has_order or group in _WITHOUT_ORDER]
    total = sum(len(_GRID[group]) for group in groups)
    counted: dict[float, Any] = {}
    done: dict[KnnSettings, float] = {}
    step = 0
    for group in groups:
        for choice in _GRID[group]:
            tell(step, total, "tuning item-kNN")
            step += 1
            tried = replace(best, **choice)
            if tried in done:
                continue
            if tried.decay not in counted:
                counted = {tried.decay: _co_occurrence(events, n_items + 1, tried.decay if has_order else None)}
            similar = _pruned(_normalised(counted[tried.decay], counts, tried))
            asked = _histories(cases, n_items + 1, tried.history_decay if has_order else None)
            ranked = _ranked(asked, similar, popular, masks, metric.k, None)[protocol]
            done[tried] = float(table_of([metric], ranked, cases.targets).mean())
        best = max(done, key=lambda settings: done[settings])
    tell(total, total, "tuning item-kNN")
    return best


def _counts(events: pl.DataFrame, n_items: int) -> NDArray[np.int64]:
    return np.bincount(events.get_column("item").to_numpy(), minlength=n_items + 1)


def _popular_rows(events: pl.DataFrame, n_items: int) -> NDArray[np.int32]:
    return (1 + np.argsort(-_counts(events, n_items)[1:], kind="stable")).astype(np.int32)


def _best_allowed(order: NDArray[np.int32], mask: RowLists, depth: int) -> NDArray[np.int32]:
    """The first `depth` of `order` that the mask of each case leaves, `[n, depth]`."""
    place = np.full(int(order.max(initial=0)) + 1, len(order))
    place[order] = np.arange(len(order))
    ranked = np.zeros((len(mask), depth), dtype=np.int32)
    for start in range(0, len(mask), _BLOCK):
        end = min(start + _BLOCK, len(mask))
        inside = slice(int(mask.offsets[start]), int(mask.offsets[end]))
        lengths = np.diff(mask.offsets[start : end + 1])
        head = order[: depth + int(lengths.max(initial=0))]
        places = place[mask.rows[inside]]
        near = places < len(head)
        hidden = np.zeros((end - start, len(head)), dtype=np.bool_)
        hidden[np.repeat(np.arange(end - start), lengths)[near], places[near]] = True
        first = np.argsort(hidden, axis=1, kind="stable")[:, :depth]
        ranked[start:end, : first.shape[1]] = np.where(np.take_along_axis(hidden, first, axis=1), 0, head[first])
    return ranked


def _co_occurrence(events: pl.DataFrame, size: int, decay: float | None) -> Any:
    """How often two items come together in train, a sparse float32 `[size, size]`; never an item with itself."""
    users, items = events.get_column("user").to_numpy(), events.get_column("item").to_numpy().astype(np.int64)
    if decay is None:
        ones = np.ones(len(items), dtype=np.float32)
        of_user = sparse.csr_array((ones, (users, items)), shape=(int(users.max(initial=0)) + 1, size))
        of_user.data[:] = 1.0
        together = (of_user.T.tocsr() @ of_user).tocsr()
        together.setdiag(0.0)
        return together
    together = sparse.csr_array((size, size), dtype=np.float32)
    for apart in range(1, _WINDOW + 1):
        left, right = items[:-apart], items[apart:]
        kept = (users[:-apart] == users[apart:]) & (left != right)
        left, right = left[kept], right[kept]
        weights = np.full(len(left), decay ** (apart - 1), dtype=np.float32)
        together = together + sparse.csr_array((weights, (left, right)), shape=(size, size))
    return (together + together.T).tocsr()


def _normalised(counted: Any, counts: NDArray[np.int64], settings: KnnSettings) -> Any:
    """Similarity from each item (row) to others (columns)."""
    safe = np.maximum(counts, 1).astype(np.float64)
    of_source = (safe**-settings.source_power).astype(np.float32)
    of_target = (safe**-settings.target_power).astype(np.float32)
    similar = counted.copy()
    similar.data *= np.repeat(of_source, np.diff(similar.indptr))
    similar.data *= of_target[similar.indices]
    return similar


def _pruned(similar: Any) -> Any:
    """The nearest `_NEIGHBOURS` of every row."""
    kept = np.ones(len(similar.data), dtype=np.bool_)
    starts = similar.indptr
    for row in np.flatnonzero(np.diff(starts) > _NEIGHBOURS):
        start, end = starts[row], starts[row + 1]
        far = np.argpartition(-similar.data[start:end], _NEIGHBOURS)[_NEIGHBOURS:]
        kept[start + far] = False
    lengths = np.add.reduceat(np.append(kept, False).astype(np.int64), starts[:-1])
    lengths[np.diff(starts) == 0] = 0
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return sparse.csr_array((similar.data[kept], similar.indices[kept], offsets), shape=similar.shape)


def _histories(cases: Cases, size: int, decay: float | None) -> Any:
    """What each case asks for neighbours, weighted: sparse float32 `[n, size]`."""
    history = cases.history
    newer = history.offsets[1:][history.lines()] - np.arange(len(history.rows)) - 1
    kept = np.ones(len(newer), dtype=np.bool_) if decay is None else newer < _MAX_HISTORY
    weights = np.power(1.0 if decay is None else decay, newer[kept]).astype(np.float32)
    places = (history.lines()[kept], history.rows[kept])
    return sparse.csr_array((weights, places), shape=(len(cases), size))


def _ranked(
    asked: Any,
    similar: Any,
    popular: NDArray[np.int32],
    masks: dict[str, RowLists],
    depth: int,
    progress: Progress | None,
) -> Rankings:
    tell = progress or silent
    found = {name: np.zeros((asked.shape[0], depth), dtype=np.int32) for name in masks}
    hidden = np.zeros(asked.shape[1], dtype=np.bool_)
    for start in range(0, asked.shape[0], _BLOCK):
        tell(start, asked.shape[0], "ranking by item-kNN")
        scores = asked[start : start + _BLOCK] @ similar
        for line in range(scores.shape[0]):
            here = slice(scores.indptr[line], scores.indptr[line + 1])
            for name, mask in masks.items():
                masked = mask.of(start + line)
                hidden[masked] = True
                best = _best(scores.indices[here], scores.data[here], hidden, depth)
                if len(best) < depth:
                    hidden[best] = True
                    head = popular[: depth + len(masked)]
                    best = np.concatenate([best, head[~hidden[head]][: depth - len(best)]])
                    hidden[best] = False
                found[name][start + line, : len(best)] = best
                hidden[masked] = False
    tell(asked.shape[0], asked.shape[0], "ranking by item-kNN")
    return found


def _best(
    rows: NDArray[np.int32], scores: NDArray[np.float32], hidden: NDArray[np.bool_], depth: int
) -> NDArray[np.int32]:
    """The `depth` best of `rows` that are not hidden, best first; ties go by row."""
    allowed = ~hidden[rows]
    rows, scores = rows[allowed], scores[allowed]
    if len(rows) > depth:
        near = np.argpartition(-scores, depth)[:depth]
        rows, scores = rows[near], scores[near]
    return rows[np.lexsort((rows, -scores))]
