"""Search: items by their words and by meaning, under one order that knows the user too."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.artifact import names
from app.artifact.rank_features import POPULARITY as RANKED_POPULARITY
from app.artifact.rank_features import CandidateList, rank_features
from app.artifact.rank_tables import RankTables
from app.artifact.search_features import POPULARITY, TEXT_FEATURES, TextColumns, search_features, weighted_sum
from app.artifact.search_spec import SearchSpec
from app.engine.ablation import Muted
from app.engine.candidate_sources import union_of
from app.engine.candidates import Candidates, Source
from app.engine.ranking import asked_by, best_of
from app.engine.requests import ALL_STAGES, RequestBatch, Stages
from app.engine.snapshot import Snapshot
from app.engine.text.query_index import QueryIndex
from app.engine.text.text_match import TextMatch

SEMANTIC_DEPTH: Final = 200
"""Items nearest in meaning that a search finds, besides those with its words."""


def searched(
    snapshot: Snapshot,
    search: QueryIndex,
    batch: RequestBatch,
    depth: int,
    stages: Stages = ALL_STAGES,
    item_mask: NDArray[np.bool_] | None = None,
) -> Candidates:
    """The best `depth` items of requests of which each has a match that says something. Arguments as of `recommend`."""
    listed, tastes, found = search_candidates(snapshot, search, batch, depth, stages, item_mask)
    scores = search_scores(snapshot, search, batch, listed, tastes, stages)
    rows, best, sources = best_of(listed, scores, depth)
    return Candidates(rows, best, sources, tastes, found)


def search_candidates(
    snapshot: Snapshot,
    search: QueryIndex,
    batch: RequestBatch,
    depth: int,
    stages: Stages = ALL_STAGES,
    item_mask: NDArray[np.bool_] | None = None,
) -> tuple[CandidateList, NDArray[np.float32], tuple[NDArray[np.bool_], ...]]:
    """What may answer: the items with the query's words, those nearest to its meaning, and of both those that suit the
    user besides. Where no item has all the words, or items have none of their own, so may others that suit the user, by
    meaning or not.

    Returns:
        The candidates; what the query tower says of each user, `[batch, dim]`, zeros for nobody; and what counts as
        found, `[rows]` a request.
    """
    asked = _matches_of(batch)
    vectors = np.stack([each.vector for each in asked]) if stages.semantic else _silence(batch, search.dim)
    known = batch.has_signal()
    says = vectors.any(axis=1)
    own = _retrieve(snapshot, batch, SEMANTIC_DEPTH, item_mask, vectors, says & ~known)
    by_meaning = np.where(says & ~known, 1, 0)[:, None] * own.rows
    blended = np.zeros((len(batch), 0), dtype=np.int64)
    both = np.flatnonzero(says & known)
    if len(both):
        text, mixed = _with_user(
            snapshot, search, batch.take(both), own.take(both), vectors[both], _rows_of(item_mask, both)
        )
        by_meaning = _wider(by_meaning, text.shape[1])
        by_meaning[both, : text.shape[1]] = text
        mixed = np.concatenate([mixed, own.rows[both]], axis=1)
        blended = np.zeros((len(batch), mixed.shape[1]), dtype=np.int64)
        blended[both] = mixed
    # What is found depends on the words alone, unless no item has them all, or items have only words that once led to
    # them: then the user says what was meant.
    unsure = np.array([each.best_coverage < 1.0 or not search.spec.items_have_words for each in asked])
    nearest = np.concatenate([by_meaning, blended * unsure[:, None]], axis=1)
    found = tuple(
        _found(each, nearest[line], stages, _mask_of(item_mask, line), batch.exclude_rows[line])
        for line, each in enumerate(asked)
    )
    by_words = _by_words(search, asked, found, depth, stages)
    inside = np.take_along_axis(np.stack(found), blended, axis=1) if blended.shape[1] else blended.astype(bool)
    listed = union_of(
        (
            (by_words, Source.LEXICAL),
            (by_meaning, Source.RETRIEVAL),
            (np.where(inside, blended, names.PADDING_ROW), Source.RETRIEVAL),
        ),
        len(snapshot.tables.scales),
        batch.exclude_rows,
        item_mask,
    )
    return listed, np.where(known[:, None], own.query_vectors, np.float32(0.0)), found


def search_scores(
    snapshot: Snapshot,
    search: QueryIndex,
    batch: RequestBatch,
    listed: CandidateList,
    query_vectors: NDArray[np.float32],
    stages: Stages = ALL_STAGES,
    muted: Muted | None = None,
) -> NDArray[np.float32]:
    """Scores `[listed]` of given candidates; `query_vectors` `[batch, dim]` are the users', zeros for nobody."""
    wants = None if batch.objective is None or not batch.objective.any() else batch.objective
    features, ranked = features_of_search(snapshot.tables, batch, listed, query_vectors, stages)
    if muted is not None:
        muted.silence(features[: len(TEXT_FEATURES)], listed.lines)
        muted.level(features[POPULARITY], listed.lines)
    scores = weighted_sum(features, _weights(search.spec, stages))
    known = batch.has_signal()
    if wants is not None and snapshot.ranker is not None:
        if muted is not None:
            all_ranked = rank_features(snapshot.tables, listed, asked_by(batch, query_vectors), muted.among)
            muted.level(all_ranked[:, RANKED_POPULARITY].T, listed.lines)
        elif known.all():
            all_ranked = ranked
        else:
            all_ranked = rank_features(snapshot.tables, listed, asked_by(batch, query_vectors))
        scores += snapshot.ranker.wished(listed, all_ranked, wants)
    return scores


def features_of_search(
    tables: RankTables,
    batch: RequestBatch,
    listed: CandidateList,
    query_vectors: NDArray[np.float32],
    stages: Stages = ALL_STAGES,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Features `[SEARCH_FEATURES, listed]`, and the ranker's of the candidates of those who are known."""
    asked = _matches_of(batch)
    vectors = np.stack([each.vector for each in asked])
    vectors = vectors if stages.semantic else np.zeros_like(vectors)
    known = batch.has_signal()
    lines = np.flatnonzero(known)
    theirs = listed if known.all() else listed.of_lines(known)
    ranked = rank_features(tables, theirs, asked_by(batch.take(lines), query_vectors[lines]))
    return search_features(tables, listed, _columns(asked, listed, vectors), known, ranked), ranked


def _matches_of(batch: RequestBatch) -> list[TextMatch]:
    found = [each for each in batch.matches or () if each is not None]
    assert len(found) == len(batch)  # noqa: S101 - only such requests are searched for
    return found


def _weights(spec: SearchSpec, stages: Stages) -> dict[str, float]:
    silent = set() if stages.lexical else {"lexical", "title", "attributes", "coverage", "exact"}
    silent |= set() if stages.semantic else {"semantic", "semantic_where_words_fail"}
    return {name: weight for name, weight in spec.weights.items() if name not in silent}


def _columns(asked: list[TextMatch], listed: CandidateList, vectors: NDArray[np.float32]) -> TextColumns:
    def column(name: str) -> NDArray[np.float32]:
        parts = [
            getattr(each, name)[listed.rows[listed.offsets[line] : listed.offsets[line + 1]]]
            for line, each in enumerate(asked)
        ]
        return np.concatenate(parts)

    return TextColumns(
        lexical=column("lexical"),
        title=column("title"),
        attributes=column("attributes"),
        coverage=column("coverage"),
        exact=column("exact"),
        best_coverage=np.array([each.best_coverage for each in asked], dtype=np.float32),
        vectors=vectors,
    )


def _retrieve(
    snapshot: Snapshot,
    batch: RequestBatch,
    depth: int,
    item_mask: NDArray[np.bool_] | None,
    vectors: NDArray[np.float32],
    given: NDArray[np.bool_],
) -> Candidates:
    return snapshot.retriever.run(replace(batch, given_query=vectors, given=given), depth, item_mask)


def _with_user(
    snapshot: Snapshot,
    search: QueryIndex,
    batch: RequestBatch,
    own: Candidates,
    vectors: NDArray[np.float32],
    item_mask: NDArray[np.bool_] | None,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows nearest to the text, and to text and user together, in one run; inner products add up."""
    size = len(batch)
    twice = batch.take(np.tile(np.arange(size), 2))
    mixed = own.query_vectors + np.float32(search.spec.text_scale) * vectors
    mask = item_mask if item_mask is None or len(item_mask) == 1 else np.concatenate([item_mask, item_mask])
    found = _retrieve(
        snapshot, twice, SEMANTIC_DEPTH, mask, np.concatenate([vectors, mixed]), np.ones(2 * size, dtype=np.bool_)
    )
    return found.rows[:size], found.rows[size:]


def _found(
    asked: TextMatch,
    nearest: NDArray[np.int64],
    stages: Stages,
    mask: NDArray[np.bool_] | None,
    excluded: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """`[rows]`, what counts as found: the items with the words, and those nearest in meaning."""
    found = asked.matched() if stages.lexical else np.zeros(len(asked.lexical), dtype=np.bool_)
    found = found & mask if mask is not None else found.copy()
    found[nearest] = True
    found[excluded] = False
    found[names.PADDING_ROW] = False
    return found


def _by_words(
    search: QueryIndex, asked: list[TextMatch], found: Sequence[NDArray[np.bool_]], depth: int, stages: Stages
) -> NDArray[np.int64]:
    """The best `depth` rows of each match by its words alone, `[batch, depth]`, by row, padded with 0."""
    if not stages.lexical:
        return np.zeros((len(asked), 0), dtype=np.int64)
    lists = []
    for each, inside in zip(asked, found, strict=True):
        rows = np.flatnonzero(inside & (each.coverage > 0))
        if len(rows) > depth:
            scores = sum(
                np.float32(search.spec.weights.get(name, 0.0)) * getattr(each, name)[rows]
                for name in ("lexical", "coverage", "attributes", "exact", "title")
            )
            rows = np.sort(rows[np.lexsort((rows, -np.asarray(scores)))[:depth]])
        lists.append(rows)
    padded = np.full((len(asked), max(map(len, lists), default=0)), names.PADDING_ROW, dtype=np.int64)
    for line, rows in zip(padded, lists, strict=True):
        line[: len(rows)] = rows
    return padded


def _silence(batch: RequestBatch, dim: int) -> NDArray[np.float32]:
    return np.zeros((len(batch), dim), dtype=np.float32)


def _mask_of(item_mask: NDArray[np.bool_] | None, line: int) -> NDArray[np.bool_] | None:
    return None if item_mask is None else item_mask[line if len(item_mask) > 1 else 0]


def _rows_of(item_mask: NDArray[np.bool_] | None, lines: NDArray[np.int64]) -> NDArray[np.bool_] | None:
    return item_mask if item_mask is None or len(item_mask) == 1 else item_mask[lines]


def _wider(rows: NDArray[np.int64], width: int) -> NDArray[np.int64]:
    found = np.full((len(rows), max(width, rows.shape[1])), names.PADDING_ROW, dtype=np.int64)
    found[:, : rows.shape[1]] = rows
    return found
