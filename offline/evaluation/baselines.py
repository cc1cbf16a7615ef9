"""What a model has to beat: the most popular items, and item-kNN with tuned decay and normalisation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from app.artifact.columns import offsets_of
from offline.dataset.absent import absent_rows_of, without_absent
from offline.dataset.split_meta import read_split_meta
from offline.errors import DatasetError
from offline.evaluation.document import ITEM_KNN, ITEM_KNN_WINDOW, POPULARITY
from offline.evaluation.masked_ranking import Rankings, ranked_by_scores
from offline.evaluation.metrics import DEPTH, parse_metric, table_of
from offline.evaluation.protocol import Cases, RowLists, known_events, load_cases
from offline.workspace.progress import Progress, silent

TUNING_USERS = 3_000

_WINDOW = 10  # places that a co-occurrence in a window may span
_MAX_COUNTED = 1_000  # newest events of a user whose pairs count: pairs grow with the square, and crawlers have no end
_NEIGHBOURS = 300
_MAX_HISTORY = 100  # newest events that are asked for neighbours, where there is an order
_BLOCK = 1_024  # users or items at once


@dataclass(frozen=True)
class KnnSettings:
    """What of item-kNN is tuned."""

    decay: float | None = None  # of a co-occurrence, for each further place; None counts whole histories as one
    source_power: float = 0.5  # similarity = co-occurrence / (count of source ** this * count of target ** that)
    target_power: float = 0.5
    history_decay: float = 0.8  # of an event's say, for each newer event of the user; unused without an order


_NORMALISATION = [
    {"source_power": source, "target_power": target}
    for source, target in ((0.5, 0.5), (0.5, 0.25), (0.5, 0.0), (1.0, 0.0), (1.0, 0.5), (0.25, 0.5))
]
_HISTORY_DECAY = [{"history_decay": decay} for decay in (0.5, 0.7, 0.8, 0.9, 1.0)]
_DECAY = [{"decay": decay} for decay in (0.4, 0.55, 0.7, 0.85, 1.0)]
_FIRST_DECAY = 0.7


def baseline_rankings(
    split: Path,
    cases: Cases,
    protocols: Sequence[str],
    depth: int = DEPTH,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Rankings]:
    """All baselines that the split allows, by name: popularity, item-kNN over whole histories, and, with an order,
    item-kNN over events near each other. What is tuned is tuned on valid.

    The two differ in what they can know: near events of other users tell what they touched at the same time, which
    a split that is not by time lets them tell of the future.

    Raises:
        DatasetError: a protocol or a metric has no meaning.
    """
    rankings = {POPULARITY: popularity(split, cases, protocols, depth)}
    baselines = {ITEM_KNN: False} | ({ITEM_KNN_WINDOW: True} if read_split_meta(split).has_order else {})
    for name, in_window in baselines.items():
        settings = tune_item_knn(split, near=in_window, seed=seed, progress=progress)
        rankings[name] = item_knn(split, cases, protocols, settings, depth, progress)
    return rankings


def popularity(split: Path, cases: Cases, protocols: Sequence[str], depth: int = DEPTH) -> Rankings:
    """The items with most events before the cut: in train, for test in train and valid. Ties go by row.

    What is absent from the catalogue is answered by no baseline, as it is not by the bundle.
    """
    order = popular_rows(known_events(split, cases.part), read_split_meta(split).n_items, absent_rows_of(split))
    return {protocol: _best_allowed(order, cases.mask(protocol), depth) for protocol in protocols}


def item_knn(
    split: Path,
    cases: Cases,
    protocols: Sequence[str],
    settings: KnnSettings,
    depth: int = DEPTH,
    progress: Progress | None = None,
) -> Rankings:
    """Items like those that the user touched lately; popular ones where too few are like them.

    With a `decay`, events of a user at most `_WINDOW` places apart co-occur; without, all items of a user do, once
    (Sarwar et al., "Item-Based Collaborative Filtering", WWW 2001). Where there is an order, newer events of the
    asking history weigh more.

    Raises:
        DatasetError: a protocol has no meaning.
    """
    meta = read_split_meta(split)
    events = known_events(split, cases.part)
    (similar,) = _similarities(events, meta.n_items, [settings])
    absent = absent_rows_of(split)
    popular = popular_rows(events, meta.n_items, absent)
    histories = _histories(cases, similar.shape[0], settings.history_decay if meta.has_order else None)
    masks = {name: cases.mask(name) for name in protocols}
    return ranked_by_scores(histories, similar, popular, masks, depth, progress, absent=absent)


def tune_item_knn(split: Path, *, near: bool, seed: int = 0, progress: Progress | None = None) -> KnnSettings:
    """The settings that do best on the first metric and protocol of at most `TUNING_USERS` users of valid.

    Co-occurrence is counted in train alone. One group of settings is varied at a time, the others held.

    Args:
        split: folder of the split.
        near: whether only events near each other co-occur, rather than whole histories.
        seed: draws the users.
        progress: called with each setting.
    """
    report = progress or silent
    meta = read_split_meta(split)
    best = KnnSettings(decay=_FIRST_DECAY if near else None)
    try:
        cases = load_cases(split, "valid", TUNING_USERS, seed)
    except DatasetError:  # nobody to tune on
        return best
    n_items, metric = meta.n_items, parse_metric(meta.metrics[0])
    protocol: str = meta.mask[0]
    events, masks = known_events(split, "valid"), {protocol: cases.mask(protocol)}
    absent = absent_rows_of(split)
    popular = popular_rows(events, n_items, absent)
    groups = [_NORMALISATION, *([_HISTORY_DECAY] if meta.has_order else []), *([_DECAY] if near else [])]
    total = sum(map(len, groups))
    scores: dict[KnnSettings, float] = {}
    for group in groups:
        candidates = [settings for settings in (replace(best, **choice) for choice in group) if settings not in scores]
        kinds = list(dict.fromkeys(_similarity_kind(settings) for settings in candidates))
        similar = dict(zip(kinds, _similarities(events, n_items, kinds), strict=True))
        for settings in candidates:
            report(len(scores), total, "tuning item-kNN")
            histories = _histories(cases, n_items + 1, settings.history_decay if meta.has_order else None)
            nearest = similar[_similarity_kind(settings)]
            ranked = ranked_by_scores(histories, nearest, popular, masks, metric.k, None, absent=absent)[protocol]
            scores[settings] = float(table_of([metric], ranked, cases.targets).mean())
        best = max(scores, key=lambda settings: scores[settings])
    report(total, total, "tuning item-kNN")
    return best


def _similarity_kind(settings: KnnSettings) -> KnnSettings:
    """What of the settings shapes the similarity, the rest fixed."""
    return replace(settings, history_decay=1.0)


def _counts(events: pl.DataFrame, n_items: int) -> NDArray[np.int64]:
    return np.bincount(events.get_column("item").to_numpy(), minlength=n_items + 1)


def popular_rows(events: pl.DataFrame, n_items: int, absent: NDArray[np.int32]) -> NDArray[np.int32]:
    """All item rows but those that are absent, those with most events first; ties go by row."""
    rows = (1 + np.argsort(-_counts(events, n_items)[1:], kind="stable")).astype(np.int32)
    return without_absent(rows, absent)


def _best_allowed(order: NDArray[np.int32], mask: RowLists, depth: int) -> NDArray[np.int32]:
    """The first `depth` of `order` that the mask of each case leaves, `[n, depth]`."""
    rank_of_item = np.full(max(int(order.max(initial=0)), int(mask.rows.max(initial=0))) + 1, len(order))
    rank_of_item[order] = np.arange(len(order))
    ranked = np.zeros((len(mask), depth), dtype=np.int32)
    for start in range(0, len(mask), _BLOCK):
        end = min(start + _BLOCK, len(mask))
        inside = slice(int(mask.offsets[start]), int(mask.offsets[end]))
        lengths = np.diff(mask.offsets[start : end + 1])
        head = order[: depth + int(lengths.max(initial=0))]
        places = rank_of_item[mask.rows[inside]]
        near = places < len(head)
        hidden = np.zeros((end - start, len(head)), dtype=np.bool_)
        hidden[np.repeat(np.arange(end - start), lengths)[near], places[near]] = True
        first = np.argsort(hidden, axis=1, kind="stable")[:, :depth]
        ranked[start:end, : first.shape[1]] = np.where(np.take_along_axis(hidden, first, axis=1), 0, head[first])
    return ranked


def _similarities(events: pl.DataFrame, n_items: int, settings_list: Sequence[KnnSettings]) -> list[Any]:
    """One sparse float32 `[n_items + 1, n_items + 1]` for each of `wanted`: from an item (row) to its nearest others.

    Of one count for all settings with the same decay, block by block, so that it never exists as a whole.
    """
    counts = np.maximum(_counts(events, n_items), 1).astype(np.float64)
    blocks: dict[KnnSettings, list[Any]] = {settings: [] for settings in settings_list}
    for decay in dict.fromkeys(settings.decay for settings in settings_list):
        together = _together(events, n_items + 1, decay)
        for start in range(0, n_items + 1, _BLOCK):
            counted = together(slice(start, start + _BLOCK))
            of_row = np.repeat(counts[start : start + _BLOCK], np.diff(counted.indptr))
            of_column = counts[counted.indices]
            for settings, blocks_of_settings in blocks.items():
                if settings.decay == decay:
                    scale = of_row**-settings.source_power * of_column**-settings.target_power
                    blocks_of_settings.append(_nearest(counted, (counted.data * scale).astype(np.float32)))
    return [sparse.vstack(blocks[settings], format="csr") for settings in settings_list]


def _together(events: pl.DataFrame, size: int, decay: float | None) -> Callable[[slice], Any]:
    """How often items come together, by rows on demand: sparse float32 `[rows, size]`, never an item with itself."""
    if decay is not None:
        whole = _in_windows(events, size, decay)
        return lambda rows: whole[rows]
    age = pl.len().over("user") - pl.int_range(pl.len()).over("user")
    newest = events.filter(age <= _MAX_COUNTED)
    users, items = newest["user"].to_numpy(), newest["item"].to_numpy()
    ones = np.ones(len(items), dtype=np.float32)
    of_user = sparse.csr_array((ones, (users, items)), shape=(int(users.max(initial=0)) + 1, size))
    of_user.sum_duplicates()
    of_user.data[:] = 1.0
    of_item = of_user.T.tocsr()

    def block(rows: slice) -> Any:
        together = (of_item[rows] @ of_user).tocsr()
        line = np.repeat(np.arange(together.shape[0]), np.diff(together.indptr))
        together.data[line + rows.start == together.indices] = 0.0
        together.eliminate_zeros()
        return together

    return block


def _in_windows(events: pl.DataFrame, size: int, decay: float) -> Any:
    """Co-occurrence of events at most `_WINDOW` places apart, symmetric."""
    users, items = events["user"].to_numpy(), events["item"].to_numpy().astype(np.int64)
    together = sparse.csr_array((size, size), dtype=np.float32)
    for apart in range(1, _WINDOW + 1):
        earlier, later = items[:-apart], items[apart:]
        is_pair = (users[:-apart] == users[apart:]) & (earlier != later)
        weights = np.full(int(is_pair.sum()), decay ** (apart - 1), dtype=np.float32)
        together = together + sparse.csr_array((weights, (earlier[is_pair], later[is_pair])), shape=(size, size))
    return (together + together.T).tocsr()


def _nearest(counted: Any, similarity: NDArray[np.float32]) -> Any:
    """The `_NEIGHBOURS` most similar of every row; `similarity` stands beside the entries of `counted`."""
    keep = np.ones(len(similarity), dtype=np.bool_)
    starts = counted.indptr
    for row in np.flatnonzero(np.diff(starts) > _NEIGHBOURS):
        start, end = starts[row], starts[row + 1]
        far = np.argpartition(-similarity[start:end], _NEIGHBOURS)[_NEIGHBOURS:]
        keep[start + far] = False
    offsets = offsets_of(keep)[starts]
    return sparse.csr_array((similarity[keep], counted.indices[keep], offsets), shape=counted.shape)


def _histories(cases: Cases, size: int, decay: float | None) -> Any:
    """What each case asks for neighbours, weighted: sparse float32 `[n, size]`."""
    history = cases.history
    newer = history.offsets[1:][history.lines()] - np.arange(len(history.rows)) - 1
    keep = np.ones(len(newer), dtype=np.bool_) if decay is None else newer < _MAX_HISTORY
    weights = np.power(1.0 if decay is None else decay, newer[keep]).astype(np.float32)
    places = (history.lines()[keep], history.rows[keep])
    return sparse.csr_array((weights, places), shape=(len(cases), size))
