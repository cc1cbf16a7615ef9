"""One batch of requests, from arrays to ranked items. Reads as a table of contents."""

import numpy as np

from app.engine.candidates import Candidates, merge_parts, replace_with_popular
from app.engine.requests import ALL_ITEMS, ALL_STAGES, ItemMask, RequestBatch, Stages
from app.engine.search import rank_search
from app.engine.snapshot import Snapshot


def recommend(
    snapshot: Snapshot,
    batch: RequestBatch,
    depth: int,
    stages: Stages = ALL_STAGES,
    item_mask: ItemMask = ALL_ITEMS,
    rerank_depth: int | None = None,
) -> Candidates:
    """The best `depth` items of every request, best first; row 0 fills up where fewer remain.

    A request's answer does not depend on what else is in the batch.

    Args:
        rerank_depth: how many candidates of retrieval the ranker reads; the others follow in retrieval's order. All of
            them by default.
    """
    rerank_depth = depth if rerank_depth is None else rerank_depth
    searches = batch.searches()
    if snapshot.search is None or not searches.any():
        return rank_for_users(snapshot, batch, depth, stages, item_mask, rerank_depth)
    if searches.all():
        return rank_search(snapshot, snapshot.search, batch, depth, stages, item_mask)
    users, queries = np.flatnonzero(~searches), np.flatnonzero(searches)
    for_users = rank_for_users(snapshot, batch.take(users), depth, stages, item_mask.take(users), rerank_depth)
    for_queries = rank_search(snapshot, snapshot.search, batch.take(queries), depth, stages, item_mask.take(queries))
    return merge_parts(len(batch), ((users, for_users), (queries, for_queries)))


def rank_for_users(
    snapshot: Snapshot, batch: RequestBatch, depth: int, stages: Stages, item_mask: ItemMask, rerank_depth: int
) -> Candidates:
    """As `recommend`, for requests without a query."""
    candidates = retrieve(snapshot, batch, depth, stages, item_mask)
    if stages.ranking and snapshot.ranker is not None:
        candidates = snapshot.ranker.rank(batch, candidates, depth, item_mask, rerank_depth)
    return candidates


def retrieve(
    snapshot: Snapshot,
    batch: RequestBatch,
    depth: int,
    stages: Stages = ALL_STAGES,
    item_mask: ItemMask = ALL_ITEMS,
) -> Candidates:
    """The `depth` items that retrieval finds for every request, and popular ones where a request has no signal."""
    return replace_with_popular(
        snapshot.retriever.run(batch, depth, item_mask),
        ~batch.has_signal() if stages.retrieval else np.ones(len(batch), dtype=bool),
        snapshot.items,
        batch.exclude_rows,
        item_mask,
    )
