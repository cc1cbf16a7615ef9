"""Scores of given items, as `recommend` scores them as candidates."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.artifact.columns import offsets_of
from app.artifact.names import PADDING_ROW
from app.artifact.rank_features import POPULARITY, CandidateList, UserContext, retrieval_scores
from app.engine.ablation import Ablation
from app.engine.candidates import Source
from app.engine.kernels.features import rank_features
from app.engine.ranking import Ranker
from app.engine.requests import RequestBatch, user_context_of
from app.engine.search import search_scores
from app.engine.snapshot import Snapshot


@dataclass(frozen=True)
class ScoringRoutes:
    """How each request is scored, `[batch]` each; by popularity where it takes none of these routes."""

    search: NDArray[np.bool_]
    ranker: NDArray[np.bool_]
    retrieval: NDArray[np.bool_]

    def take(self, requests: NDArray[np.int64]) -> "ScoringRoutes":
        """The routes of the chosen requests, in that order."""
        return ScoringRoutes(self.search[requests], self.ranker[requests], self.retrieval[requests])


def routes_of(snapshot: Snapshot, batch: RequestBatch) -> ScoringRoutes:
    """How `recommend` scores the requests."""
    search = batch.searches() & (snapshot.search is not None)
    ranks = np.zeros(len(batch), dtype=np.bool_) if snapshot.ranker is None else snapshot.ranker.ranks(batch)
    return ScoringRoutes(search, ~search & ranks, ~search & ~ranks & batch.has_signal())


def list_of(rows: Sequence[NDArray[np.integer]], times: Sequence[int] | None = None) -> CandidateList:
    """The given rows of each request as a candidate list, once each, without row 0.

    Args:
        times: how many requests in a row have each of them; one by default.
    """
    distinct = [_distinct(of_request) for of_request in rows]
    counts = [1] * len(distinct) if times is None else times
    lengths = [len(of_request) for of_request, count in zip(distinct, counts, strict=True) for _ in range(count)]
    tiles = [of_request for of_request, count in zip(distinct, counts, strict=True) for _ in range(count)]
    return CandidateList(
        request_index=np.repeat(np.arange(len(lengths)), lengths),
        rows=np.concatenate([np.zeros(0, dtype=np.int64), *tiles]),
        sources=np.full(sum(lengths), Source.NAMED, dtype=np.uint8),
        offsets=offsets_of(lengths),
    )


def _distinct(rows: NDArray[np.integer]) -> NDArray[np.int64]:
    """The rows in order, once each, without row 0."""
    if len(rows) and rows[0] > PADDING_ROW and (rows[1:] > rows[:-1]).all():
        return rows.astype(np.int64, copy=False)
    ordered = np.sort(rows).astype(np.int64, copy=False)
    return ordered[np.diff(ordered, prepend=PADDING_ROW) > 0]


def score_list(
    snapshot: Snapshot,
    batch: RequestBatch,
    candidates: CandidateList,
    query_vectors: NDArray[np.float32],
    routes: ScoringRoutes | None = None,
    ablation: Ablation | None = None,
) -> NDArray[np.float32]:
    """Scores `[candidates]` of the candidates of each request; their popularity where the request has no signal.

    Args:
        query_vectors: `[batch, dim]`, as `Candidates` of these requests holds them.
        routes: how the requests are scored; by default as `recommend` scores them.
        ablation: what does not count, and the lists that the items are ranked within; by default everything counts,
            and they are ranked within `candidates`.
    """
    routes = routes_of(snapshot, batch) if routes is None else routes
    context = user_context_of(batch, query_vectors)
    scores = np.array(snapshot.items.popularity[candidates.rows], dtype=np.float32)
    by_search, by_ranker, by_retrieval = (
        route[candidates.request_index] for route in (routes.search, routes.ranker, routes.retrieval)
    )
    if snapshot.search is not None and by_search.any():
        batch_part, part, context_part, ablation_part = _take(routes.search, batch, candidates, context, ablation)
        scores[by_search] = search_scores(
            snapshot, snapshot.search, batch_part, part, context_part, ablation=ablation_part
        )
    if snapshot.ranker is not None and by_ranker.any():
        batch_part, part, context_part, ablation_part = _take(routes.ranker, batch, candidates, context, ablation)
        scores[by_ranker] = _ranker_scores(snapshot, snapshot.ranker, batch_part, part, context_part, ablation_part)
    if by_retrieval.any():
        part, vectors = candidates.of_requests(routes.retrieval), query_vectors[routes.retrieval]
        scores[by_retrieval] = retrieval_scores(snapshot.tables, part, vectors)
    return scores


def _take(
    chosen: NDArray[np.bool_],
    batch: RequestBatch,
    candidates: CandidateList,
    context: UserContext,
    ablation: Ablation | None,
) -> tuple[RequestBatch, CandidateList, UserContext, Ablation | None]:
    if chosen.all():
        return batch, candidates, context, ablation
    requests = np.flatnonzero(chosen)
    return (
        batch.take(requests),
        candidates.of_requests(chosen),
        context.take(requests),
        None if ablation is None else ablation.of_requests(chosen),
    )


def _ranker_scores(
    snapshot: Snapshot,
    ranker: Ranker,
    batch: RequestBatch,
    candidates: CandidateList,
    context: UserContext,
    ablation: Ablation | None,
) -> NDArray[np.float32]:
    reference = None if ablation is None else ablation.reference
    features = rank_features(snapshot.tables, candidates, context, reference)
    if ablation is not None:
        ablation.level_popularity(features[:, POPULARITY].T, candidates.request_index)
    return ranker.scores(batch, candidates, features)
