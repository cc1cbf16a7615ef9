"""The reasons of answered items, for the calls that ask for them."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from app.engine.explain import Contributions, contributions
from app.engine.reasons import Reason, kind_of, round_reasons
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
        pieces = _rule_reasons(snapshot, call, batch, index, rows, ranked)
        rest: Literal["base", "popular"] = "base"
        if index in by_index:
            match = None if batch.matches is None else batch.matches[index]
            pieces = _join(_model_reasons(by_index[index], rows, match, snapshot.items.selectable[0]), pieces)
        elif call.sort == RELEVANCE:
            rest = "popular" if snapshot.items.popularity.any() else "base"  # nobody has touched any
        else:
            popularity = snapshot.items.popularity[rows].tolist()
            pieces = _join([[Reason("popular", popular)] for popular in popularity], pieces)
        scores = ranked.scores[: call.k].tolist()
        reasons.append([round_reasons(score, of_item, rest) for score, of_item in zip(scores, pieces, strict=True)])
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


def _join(pieces: Sequence[list[Reason]], others: Sequence[list[Reason]]) -> list[list[Reason]]:
    return [first + second for first, second in zip(pieces, others, strict=True)]


def _model_reasons(
    parts: Contributions, rows: NDArray[np.int64], match: TextMatch | None, is_answered: NDArray[np.bool_]
) -> list[list[Reason]]:
    """What events, query and popularity gave to each item; events of items that are answered nowhere are not named."""
    is_named = is_answered[parts.event_rows]
    kinds = [kind_of(behaviour) for behaviour in parts.behaviours[is_named].tolist()]
    event_rows = parts.event_rows[is_named].tolist()
    by_query, by_popularity = parts.by_query.tolist(), parts.by_popularity.tolist()
    reasons = []
    for place, (row, weights) in enumerate(zip(rows.tolist(), parts.by_events[is_named].T.tolist(), strict=True)):
        of_item = list(map(Reason, kinds, weights, event_rows))
        if match is not None:
            of_item.append(Reason("query_match", by_query[place], terms=tuple(match.words_of(row))))
        of_item.append(Reason("popular", by_popularity[place]))
        reasons.append(of_item)
    return reasons


def _rule_reasons(
    snapshot: Snapshot,
    call: RecommendCall,
    batch: RequestBatch,
    index: int,
    rows: NDArray[np.int64],
    ranked: RankedList,
) -> list[list[Reason]]:
    """What boosts and pins gave to each item."""
    positions = {pin.row: pin.position for pin in ranked.pins}
    if not call.boost and not positions:
        return [[] for _ in rows]
    gains = gains_of(snapshot, call, batch, index, rows, snapshot.items.popularity[rows].astype(np.float64))
    reasons = []
    for place, row in enumerate(rows.tolist()):
        of_item = [Reason("boost", gain) for gain in gains[:, place].tolist()]
        if row in positions:
            of_item.append(Reason("pin", 0.0, position=positions[row]))
        reasons.append(of_item)
    return reasons
