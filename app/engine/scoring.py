"""Scores of items that are named, as `recommend` would give them to a candidate."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.artifact import names
from app.artifact.rank_features import POPULARITY, CandidateList, rank_features, retrieval_scores
from app.engine.ablation import Muted
from app.engine.candidates import Source
from app.engine.ranking import asked_by
from app.engine.requests import RequestBatch
from app.engine.search import search_scores
from app.engine.snapshot import Snapshot


@dataclass(frozen=True)
class Paths:
    """How each request is scored, `[batch]` each; by popularity where it goes none of these ways."""

    search: NDArray[np.bool_]
    ranker: NDArray[np.bool_]
    retrieval: NDArray[np.bool_]

    def take(self, lines: NDArray[np.int64]) -> "Paths":
        """Those of the chosen requests."""
        return Paths(self.search[lines], self.ranker[lines], self.retrieval[lines])


def paths_of(snapshot: Snapshot, batch: RequestBatch) -> Paths:
    """How `recommend` scores the requests."""
    search = batch.searches() & (snapshot.search is not None)
    ranks = np.zeros(len(batch), dtype=np.bool_) if snapshot.ranker is None else snapshot.ranker.ranks(batch)
    return Paths(search, ~search & ranks, ~search & ~ranks & batch.has_signal())


def list_of(rows: Sequence[NDArray[np.integer]]) -> CandidateList:
    """The given rows of each request, once each, without row 0."""
    distinct = [np.unique(each[each != names.PADDING_ROW]).astype(np.int64) for each in rows]
    lengths = [len(each) for each in distinct]
    return CandidateList(
        lines=np.repeat(np.arange(len(rows)), lengths),
        rows=np.concatenate([np.zeros(0, dtype=np.int64), *distinct]),
        sources=np.full(sum(lengths), Source.ASKED, dtype=np.uint8),
        offsets=np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64),
    )


def score_list(
    snapshot: Snapshot,
    batch: RequestBatch,
    listed: CandidateList,
    query_vectors: NDArray[np.float32],
    paths: Paths | None = None,
    muted: Muted | None = None,
) -> NDArray[np.float32]:
    """Scores `[listed]` of the candidates of each request; popularity where nothing is known of who asks.

    Args:
        snapshot: the loaded bundle.
        batch: the requests.
        listed: the items, as a list for each request.
        query_vectors: `[batch, dim]`, as `Candidates` of these requests holds them.
        paths: how they are scored; as `recommend` would by default.
        muted: what does not count, and what the items are compared with; by default all counts, and they are compared
            with each other.
    """
    paths = paths_of(snapshot, batch) if paths is None else paths
    scores = np.array(snapshot.items.popularity[listed.rows], dtype=np.float32)
    for which, score in (
        (paths.search, _of_searches),
        (paths.ranker, _of_ranker),
        (paths.retrieval, _of_retrieval),
    ):
        part = listed.of_lines(which)
        if len(part):
            lines = np.flatnonzero(which)
            quiet = None if muted is None else muted.of(which)
            scores[which[listed.lines]] = score(snapshot, batch.take(lines), part, query_vectors[lines], quiet)
    return scores


def _of_searches(
    snapshot: Snapshot,
    batch: RequestBatch,
    listed: CandidateList,
    query_vectors: NDArray[np.float32],
    muted: Muted | None,
) -> NDArray[np.float32]:
    assert snapshot.search is not None  # noqa: S101 - else nothing is a search
    return search_scores(snapshot, snapshot.search, batch, listed, query_vectors, muted=muted)


def _of_ranker(
    snapshot: Snapshot,
    batch: RequestBatch,
    listed: CandidateList,
    query_vectors: NDArray[np.float32],
    muted: Muted | None,
) -> NDArray[np.float32]:
    assert snapshot.ranker is not None  # noqa: S101 - else nothing is ranked
    among = None if muted is None else muted.among
    features = rank_features(snapshot.tables, listed, asked_by(batch, query_vectors), among)
    if muted is not None:
        muted.level(features[:, POPULARITY].T, listed.lines)
    return snapshot.ranker.scores(batch, listed, features)


def _of_retrieval(
    snapshot: Snapshot,
    batch: RequestBatch,  # noqa: ARG001 - all are scored by one signature
    listed: CandidateList,
    query_vectors: NDArray[np.float32],
    muted: Muted | None,  # noqa: ARG001 - as above
) -> NDArray[np.float32]:
    """Neither query nor popularity is part of it."""
    return retrieval_scores(snapshot.tables, listed, query_vectors)
