"""Contributions: what each part of a request adds to the score of an item, as the score less that without the part.

Leave-one-out, after Robnik-Šikonja and Kononenko, "Explaining Classifications For Individual Instances" (2008): every
request is scored again without each of its newest items, without its query, and with all items as popular as their
list is on average; all of these variants in one batch, over the same candidates as the request itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.names import PADDING_ROW
from app.artifact.rank_features import CandidateList
from app.engine.ablation import Ablation
from app.engine.candidate_sources import union_of_sources
from app.engine.leave_one_out import (
    MOST_ITEMS,
    Contributions,
    contributions_to_order,
    popularity_level,
    recent_items,
)
from app.engine.ranking import Ranker
from app.engine.recommend import retrieve
from app.engine.requests import ALL_ITEMS, ItemMask, RequestBatch
from app.engine.scoring import ScoringRoutes, list_of, routes_of, score_list
from app.engine.search import search_candidates
from app.engine.snapshot import Snapshot

__all__ = ["MOST_ITEMS", "Contributions", "contributions"]

_BATCH: Final = 16  # requests whose variants are scored at once, which bounds the memory


def contributions(
    snapshot: Snapshot,
    batch: RequestBatch,
    answered: Sequence[NDArray[np.int64]],
    lists: Sequence[NDArray[np.int64]],
    depth: int,
    rerank_depth: int,
    item_mask: ItemMask = ALL_ITEMS,
    compared_rows: Sequence[NDArray[np.int64] | None] | None = None,
) -> list[Contributions]:
    """What the parts of each request add to the scores of its answered items.

    Args:
        batch: requests with a signal or a query.
        answered: of each request, the rows to explain; at least one.
        lists: of each request, the rows of the whole list, whose mean popularity is the level.
        depth: the one `recommend` was called with, and so are `rerank_depth` and `item_mask`.
        compared_rows: what it returned of these requests; worked out again where it is not known.
    """
    if snapshot.ranker is not None and compared_rows is not None and _orders_all(snapshot.ranker, batch):
        return contributions_to_order(snapshot, snapshot.ranker, batch, answered, lists, compared_rows)
    if len(batch) <= _BATCH:
        return _contributions(snapshot, batch, answered, lists, depth, rerank_depth, item_mask, compared_rows)
    result: list[Contributions] = []
    for start in range(0, len(batch), _BATCH):
        part = slice(start, start + _BATCH)
        result += _contributions(
            snapshot,
            batch.take(part),
            answered[part],
            lists[part],
            depth,
            rerank_depth,
            item_mask.take(part),
            None if compared_rows is None else compared_rows[part],
        )
    return result


def _orders_all(ranker: Ranker, batch: RequestBatch) -> bool:
    """Whether the ranker's order is all that scores the requests: none searches or has an objective."""
    has_objective = batch.objective is not None and batch.objective.any()
    return not has_objective and not batch.searches().any() and bool(ranker.ranks(batch).all())


def _contributions(
    snapshot: Snapshot,
    batch: RequestBatch,
    answered: Sequence[NDArray[np.int64]],
    lists: Sequence[NDArray[np.int64]],
    depth: int,
    rerank_depth: int,
    item_mask: ItemMask,
    compared_rows: Sequence[NDArray[np.int64] | None] | None,
) -> list[Contributions]:
    routes = routes_of(snapshot, batch)
    recent = [recent_items(*events) for events in zip(batch.event_rows, batch.event_types, strict=True)]
    variants = _variants(routes, [rows for rows, _ in recent])
    variant_batch = _without_items(batch.take(variants.request), variants.removed_row)
    vectors = snapshot.retriever.query_vectors(variant_batch.take(variants.distinct))[variants.like]
    vectors[~variant_batch.has_signal()] = 0.0
    levels = np.stack([popularity_level(snapshot.tables, rows) for rows in lists])
    if compared_rows is None:
        reference = _reference_lists(snapshot, batch, routes, answered, depth, rerank_depth, item_mask)
    else:
        reference = [
            rows if of is None or not len(of) else of for rows, of in zip(answered, compared_rows, strict=True)
        ]
    times = np.diff(variants.offsets).tolist()
    candidates = list_of(answered, times)
    ablation = Ablation(
        query=variants.without_query,
        popularity=variants.without_popularity,
        popularity_levels=levels[variants.request],
        reference=list_of(reference, times),
    )
    scores = score_list(snapshot, variant_batch, candidates, vectors, routes.take(variants.request), ablation)
    scores = scores.astype(np.float64)
    result = []
    for request, ((rows, behaviours), (first, last)) in enumerate(zip(recent, pairwise(variants.offsets), strict=True)):
        block = scores[candidates.offsets[first] : candidates.offsets[last]].reshape(last - first, -1)
        block = block[:, np.argsort(np.argsort(answered[request]))]
        differences = block[0] - block  # the first variant is the request itself
        others = iter(differences[1 + len(rows) :])
        result.append(
            Contributions(
                event_rows=rows,
                behaviours=behaviours,
                by_events=differences[1 : 1 + len(rows)],
                by_query=next(others) if routes.search[request] else np.zeros(block.shape[1]),
                by_popularity=next(others, np.zeros(block.shape[1])),
            )
        )
    return result


@dataclass(frozen=True)
class _Variants:
    """Every request as it is, then without each of its items, its query and its popularity; request by request."""

    request: NDArray[np.int64]  # [variants] index of the request
    offsets: list[int]  # [requests + 1] where those of each begin
    removed_row: NDArray[np.int64]  # [variants] the item whose events are left out, else 0
    without_query: NDArray[np.bool_]  # [variants]
    without_popularity: NDArray[np.bool_]  # [variants]
    distinct: NDArray[np.int64]  # the first variants of all that have the same events
    like: NDArray[np.int64]  # [variants] which of `distinct` has the events of each


def _variants(routes: ScoringRoutes, recent: Sequence[NDArray[np.int64]]) -> _Variants:
    """The variants of requests; `recent` are the items of each to leave out.

    Retrieval does not use popularity, and a query counts only in a search.
    """
    removed: list[int] = []
    offsets, without_query, without_popularity, distinct, like = [0], list[int](), list[int](), list[int](), list[int]()
    for rows, searches, ranks in zip(recent, routes.search.tolist(), routes.ranker.tolist(), strict=True):
        whole, begins = len(removed), len(distinct)
        like += range(begins, begins + 1 + len(rows))
        removed += [PADDING_ROW, *rows.tolist()]
        distinct += range(whole, len(removed))
        if searches:
            without_query.append(len(removed))
        if searches or ranks:
            without_popularity.append(len(removed) + searches)
        more = searches + (searches or ranks)
        removed += [PADDING_ROW] * more
        like += [begins] * more
        offsets.append(len(removed))
    return _Variants(
        request=np.repeat(np.arange(len(recent)), np.diff(offsets)),
        offsets=offsets,
        removed_row=np.array(removed, dtype=np.int64),
        without_query=_marks(len(removed), without_query),
        without_popularity=_marks(len(removed), without_popularity),
        distinct=np.array(distinct, dtype=np.int64),
        like=np.array(like, dtype=np.int64),
    )


def _marks(size: int, places: list[int]) -> NDArray[np.bool_]:
    marks = np.zeros(size, dtype=np.bool_)
    marks[places] = True
    return marks


def _without_items(batch: RequestBatch, removed_row: NDArray[np.int64]) -> RequestBatch:
    """The requests without the events on one item of each, `[batch]`, 0 for none."""
    window = batch.event_rows.shape[1]
    remains = (batch.event_rows != PADDING_ROW) & (batch.event_rows != removed_row[:, None])
    order = np.argsort(remains, axis=1, kind="stable")  # remaining events move to the right end, in their order
    order += np.arange(0, remains.size, window)[:, None]
    is_past = np.arange(window) < window - remains.sum(axis=1)[:, None]
    rows, types, times = (
        batch.event_rows.ravel()[order],
        batch.event_types.ravel()[order],
        batch.event_times.ravel()[order],
    )
    rows[is_past], types[is_past], times[is_past] = PADDING_ROW, 0, np.nan
    return replace(batch, event_rows=rows, event_types=types, event_times=times)


def _reference_lists(
    snapshot: Snapshot,
    batch: RequestBatch,
    routes: ScoringRoutes,
    answered: Sequence[NDArray[np.int64]],
    depth: int,
    rerank_depth: int,
    item_mask: ItemMask,
) -> list[NDArray[np.int64]]:
    """Of each request, the rows of the list that an item's score depends on.

    The ranker compares an item with the other candidates that it reads. On other routes an item's score is independent
    of its list, and the answered items stand for it.
    """
    lists = list(answered)
    requests = np.flatnonzero(routes.ranker)
    if len(requests):
        ranker_batch, mask = batch.take(requests), item_mask.take(requests)
        retrieved = retrieve(snapshot, ranker_batch, min(depth, rerank_depth), item_mask=mask)
        candidates = union_of_sources(ranker_batch, retrieved, snapshot.tables, snapshot.items.popular_rows, mask)
        _replace_lists(lists, requests, candidates)
    has_objective = np.zeros(len(batch), dtype=np.bool_) if batch.objective is None else batch.objective > 0
    requests = np.flatnonzero(routes.search & has_objective & (snapshot.ranker is not None))
    if snapshot.search is not None and len(requests):
        candidates, _, _ = search_candidates(
            snapshot, snapshot.search, batch.take(requests), depth, item_mask=item_mask.take(requests)
        )
        _replace_lists(lists, requests, candidates)
    return lists


def _replace_lists(lists: list[NDArray[np.int64]], requests: NDArray[np.int64], candidates: CandidateList) -> None:
    """Replace the lists of the chosen requests by their candidates, where there are any."""
    for index, request in enumerate(requests.tolist()):
        rows = candidates.rows[candidates.part(index)]
        lists[request] = rows if len(rows) else lists[request]
