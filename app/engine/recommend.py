"""One batch of requests, from arrays to ranked items. Reads as a table of contents."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from app.engine.candidates import Candidates, interleaved, replace_with_popular
from app.engine.requests import ALL_STAGES, RequestBatch, Stages
from app.engine.search import searched
from app.engine.snapshot import Snapshot


def recommend(
    snapshot: Snapshot,
    batch: RequestBatch,
    depth: int,
    stages: Stages = ALL_STAGES,
    item_mask: NDArray[np.bool_] | None = None,
    ranked: int | None = None,
) -> Candidates:
    """The best `depth` items of every request, best first; row 0 fills up where fewer remain.

    A request's answer does not depend on what else is in the batch.

    Args:
        snapshot: the loaded bundle.
        batch: the requests.
        depth: items per request.
        stages: which stages run.
        item_mask: `[1 or batch, rows]`, false for items that must not be answered.
        ranked: how many of the items that retrieval finds the ranker reads; the others follow in retrieval's order.
            All of them by default.
    """
    searches = batch.searches()
    recommended = partial(_recommended, ranked=depth if ranked is None else ranked)
    if snapshot.search is None or not searches.any():
        return recommended(snapshot, batch=batch, depth=depth, stages=stages, item_mask=item_mask)
    parts = []
    for which, answer in ((~searches, recommended), (searches, partial(searched, search=snapshot.search))):
        lines = np.flatnonzero(which)
        if len(lines):
            mask = item_mask if item_mask is None or len(item_mask) == 1 else item_mask[lines]
            found = answer(snapshot, batch=batch.take(lines), depth=depth, stages=stages, item_mask=mask)
            parts.append((lines, found))
    return interleaved(len(batch), parts)


def _recommended(
    snapshot: Snapshot,
    batch: RequestBatch,
    depth: int,
    stages: Stages,
    item_mask: NDArray[np.bool_] | None,
    ranked: int,
) -> Candidates:
    candidates = retrieve(snapshot, batch, depth, stages, item_mask)
    if stages.ranking and snapshot.ranker is not None:
        candidates = snapshot.ranker.rank(batch, candidates, depth, item_mask, ranked)
    return candidates


def retrieve(
    snapshot: Snapshot,
    batch: RequestBatch,
    depth: int,
    stages: Stages = ALL_STAGES,
    item_mask: NDArray[np.bool_] | None = None,
) -> Candidates:
    """What the search finds, and what is popular where a request has no signal; arguments as above."""
    return replace_with_popular(
        snapshot.retriever.run(batch, depth, item_mask),
        ~batch.has_signal() if stages.retrieval else np.ones(len(batch), dtype=bool),
        snapshot.items,
        batch.exclude_rows,
        item_mask,
    )
