"""The reasons of answered items, for the calls that ask for them."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from app.engine.explain import Contributions, contributions
from app.engine.reasons import Reason, kind_of, reasons_of_items
from app.engine.requests import ALL_ITEMS, ItemMask, RequestBatch
from app.engine.selection.orders import RELEVANCE
from app.engine.snapshot import Snapshot
from app.engine.text.text_match import TextMatch
from app.serving.call import RecommendCall
from app.serving.rules import RankedList, gains_of


def explain(
    snapshot: Snapshot,
    calls: Sequence[RecommendCall],
    batch: RequestBatch,
    lists: Sequence[RankedList],
    depth: int,
    rerank_depth: int,
    item_mask: ItemMask = ALL_ITEMS,
    compared_rows: Sequence[NDArray[np.int64] | None] | None = None,
) -> list[list[list[Reason]] | None]:
    """Of each call, the reasons of each item of its first page; None for a call without `explain`.

    The score of a sorted list is popularity, and so is that of a request without signal or query.

    Args:
        snapshot: the loaded bundle.
        calls: the parsed requests.
        batch: the requests.
        lists: the list of each call.
        depth: the depth that `recommend` ran with.
        rerank_depth: the re-ranking depth that `recommend` ran with.
        item_mask: which items may be answered.
        compared_rows: as `recommend` returned them.
    """
    by_index = _contributions(snapshot, calls, batch, lists, depth, rerank_depth, item_mask, compared_rows)
    reasons: list[list[list[Reason]] | None] = []
    for index, (call, ranked) in enumerate(zip(calls, lists, strict=True)):
        if not call.explain:
            reasons.append(None)
            continue
        rows = ranked.rows[: call.k]
        weights, parts = [np.zeros((0, len(rows)))], list[Sequence[Reason | None]]()
        rest: Literal["base", "popular"] = "base"
        if index in by_index:
            match = None if batch.matches is None else batch.matches[index]
            weights += _model_parts(parts, by_index[index], rows, match, snapshot.items.selectable[0])
        elif call.sort == RELEVANCE:
            rest = "popular" if snapshot.items.popularity.any() else "base"  # nobody has touched any
        else:
            parts.append([Reason("popular", 0.0)] * len(rows))
            weights.append(snapshot.items.popularity[rows].astype(np.float64)[None])
        weights += _rule_parts(parts, snapshot, call, batch, index, rows, ranked)
        scores = ranked.scores[: call.k].astype(np.float64)
        reasons.append(reasons_of_items(scores, np.concatenate(weights), parts, rest))
    return reasons


def _contributions(
    snapshot: Snapshot,
    calls: Sequence[RecommendCall],
    batch: RequestBatch,
    lists: Sequence[RankedList],
    depth: int,
    rerank_depth: int,
    item_mask: ItemMask,
    compared_rows: Sequence[NDArray[np.int64] | None] | None,
) -> dict[int, Contributions]:
    """By index, the contributions to the lists whose scores are the model's."""
    has_model_score = batch.has_signal() | batch.searches()
    indices = [
        index
        for index, (call, ranked) in enumerate(zip(calls, lists, strict=True))
        if call.explain and call.sort == RELEVANCE and has_model_score[index] and len(ranked.rows)
    ]
    if not indices:
        return {}
    parts = contributions(
        snapshot,
        batch.take(np.array(indices)),
        [lists[index].rows[: calls[index].k] for index in indices],
        [lists[index].rows for index in indices],
        depth,
        rerank_depth,
        item_mask.take(np.array(indices)),
        None if compared_rows is None else [compared_rows[index] for index in indices],
    )
    return dict(zip(indices, parts, strict=True))


def _model_parts(
    parts: list[Sequence[Reason | None]],
    given: Contributions,
    rows: NDArray[np.int64],
    match: TextMatch | None,
    is_answered: NDArray[np.bool_],
) -> list[NDArray[np.float64]]:
    """Add events, query and popularity to `parts`; returns what they gave, `[.., n]` each. Events of items that are
    answered nowhere are not named.
    """
    is_named = is_answered[given.event_rows]
    events = zip(given.behaviours[is_named].tolist(), given.event_rows[is_named].tolist(), strict=True)
    parts += [[Reason(kind_of(behaviour), 0.0, row)] * len(rows) for behaviour, row in events]
    weights = [given.by_events[is_named]]
    if match is not None:
        parts.append([Reason("query_match", 0.0, terms=tuple(match.words_of(row))) for row in rows.tolist()])
        weights.append(given.by_query[None])
    parts.append([Reason("popular", 0.0)] * len(rows))
    return [*weights, given.by_popularity[None]]


def _rule_parts(
    parts: list[Sequence[Reason | None]],
    snapshot: Snapshot,
    call: RecommendCall,
    batch: RequestBatch,
    index: int,
    rows: NDArray[np.int64],
    ranked: RankedList,
) -> list[NDArray[np.float64]]:
    """Add boosts and pins to `parts`; returns what they gave, `[.., n]` each."""
    positions = {pin.row: pin.position for pin in ranked.pins}
    weights = []
    if call.boost:
        gains = gains_of(snapshot, call, batch, index, rows, snapshot.items.popularity[rows].astype(np.float64))
        parts += [[Reason("boost", 0.0)] * len(rows)] * len(gains)
        weights.append(gains)
    if positions:
        pinned = [positions.get(row) for row in rows.tolist()]
        parts.append([None if place is None else Reason("pin", 0.0, position=place) for place in pinned])
        weights.append(np.zeros((1, len(rows))))
    return weights
