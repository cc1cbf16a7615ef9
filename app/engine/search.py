"""Search: items by their words and by meaning, under one order that also knows the user."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.names import PADDING_ROW
from app.artifact.rank_features import POPULARITY as RANKER_POPULARITY
from app.artifact.rank_features import CandidateList, UserContext, rank_features
from app.artifact.rank_tables import RankTables
from app.artifact.search_features import (
    LEXICAL_FEATURES,
    POPULARITY,
    TEXT_FEATURES,
    TextColumns,
    search_features,
    weighted_sum,
)
from app.artifact.search_spec import SearchSpec
from app.engine.ablation import Ablation
from app.engine.candidate_sources import union_for_search
from app.engine.candidates import Candidates, pad_columns, top_k
from app.engine.requests import ALL_ITEMS, ALL_STAGES, ItemMask, RequestBatch, Stages, pad_rows, user_context_of
from app.engine.snapshot import Snapshot
from app.engine.text.query_index import QueryIndex
from app.engine.text.text_match import TextMatch

SEMANTIC_DEPTH: Final = 200
"""Items nearest in meaning that are candidates of a search, besides those with its words."""


def rank_search(
    snapshot: Snapshot,
    index: QueryIndex,
    batch: RequestBatch,
    depth: int,
    stages: Stages = ALL_STAGES,
    item_mask: ItemMask = ALL_ITEMS,
) -> Candidates:
    """The best `depth` items of requests that all have a query which the catalogue knows. As `recommend` otherwise."""
    candidates, user_vectors, matched_items = search_candidates(snapshot, index, batch, depth, stages, item_mask)
    context = user_context_of(batch, user_vectors)
    scores = search_scores(snapshot, index, batch, candidates, context, stages)
    return replace(top_k(candidates, scores, depth, user_vectors), matched_items=matched_items)


def search_candidates(
    snapshot: Snapshot,
    index: QueryIndex,
    batch: RequestBatch,
    depth: int,
    stages: Stages = ALL_STAGES,
    item_mask: ItemMask = ALL_ITEMS,
) -> tuple[CandidateList, NDArray[np.float32], tuple[NDArray[np.bool_], ...]]:
    """Candidates of a search: items that contain the query words, items nearest to the query vector, and items that
    suit the user. Where no item contains every word, or items have no words of their own, the user's items count as
    matches, too.

    Returns:
        The candidates; the user vectors of the query tower, `[batch, dim]`, zeros for unknown users; and the items
        that match each query, `[rows]` a request.
    """
    matches = _matches_of(batch)
    near = _retrieve_near(snapshot, index, batch, matches, stages, item_mask)
    meaning_rows, user_rows = meaning_candidates(near), user_candidates(near)
    # The user's items match only where the words alone do not say what is meant.
    is_vague = np.array([match.lexical.best_coverage < 1.0 or not index.spec.items_have_words for match in matches])
    near_rows = np.concatenate([meaning_rows, user_rows * is_vague[:, None]], axis=1)
    matched_items = tuple(
        _matched_items(match, near_rows[request], stages, item_mask.of(request), batch.exclude_rows[request])
        for request, match in enumerate(matches)
    )
    text_rows = text_candidates(index.spec, matches, matched_items, depth, stages)
    meaning_rows = np.concatenate([meaning_rows, user_rows], axis=1)
    is_match = np.take_along_axis(np.stack(matched_items), meaning_rows, axis=1)
    meaning_rows = np.where(is_match, meaning_rows, PADDING_ROW)
    candidates = union_for_search(batch, text_rows, meaning_rows, snapshot.tables, item_mask)
    user_vectors = np.where(batch.has_signal()[:, None], near.retrieved.query_vectors, np.float32(0.0))
    return candidates, user_vectors, matched_items


def search_scores(
    snapshot: Snapshot,
    index: QueryIndex,
    batch: RequestBatch,
    candidates: CandidateList,
    context: UserContext,
    stages: Stages = ALL_STAGES,
    ablation: Ablation | None = None,
) -> NDArray[np.float32]:
    """Scores `[candidates]` of given candidates; the query vectors of unknown users in `context` are zeros."""
    objective = None if batch.objective is None or not batch.objective.any() else batch.objective
    features, ranker_features = features_of_search(snapshot.tables, batch, candidates, context, stages)
    if ablation is not None:
        ablation.zero_query(features[: len(TEXT_FEATURES)], candidates.request_index)
        ablation.level_popularity(features[POPULARITY], candidates.request_index)
    scores = weighted_sum(features, _weights(index.spec, stages))
    if objective is not None and snapshot.ranker is not None:
        if ablation is not None:
            ranker_features = rank_features(snapshot.tables, candidates, context, ablation.reference)
            ablation.level_popularity(ranker_features[:, RANKER_POPULARITY].T, candidates.request_index)
        elif not batch.has_signal().all():
            ranker_features = rank_features(snapshot.tables, candidates, context)
        scores += snapshot.ranker.objective_gain(candidates, ranker_features, objective)
    return scores


def features_of_search(
    tables: RankTables,
    batch: RequestBatch,
    candidates: CandidateList,
    context: UserContext,
    stages: Stages = ALL_STAGES,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Features `[SEARCH_FEATURES, candidates]`, and the ranker's features of the candidates of known users."""
    matches = _matches_of(batch)
    known = batch.has_signal()
    if known.all():
        ranker_features = rank_features(tables, candidates, context)
    else:
        ranker_features = rank_features(tables, candidates.of_requests(known), context.take(np.flatnonzero(known)))
    columns = _text_columns(matches, candidates, _text_vectors(matches, stages))
    return search_features(tables, candidates, columns, known, ranker_features), ranker_features


def text_candidates(
    spec: SearchSpec,
    matches: Sequence[TextMatch],
    matched_items: Sequence[NDArray[np.bool_]],
    depth: int,
    stages: Stages,
) -> NDArray[np.int64]:
    """The `depth` rows of each query that match its words best, `[batch, depth]`, ascending, padded with 0."""
    if not stages.lexical:
        return np.zeros((len(matches), 0), dtype=np.int64)
    weight = {name: np.float32(spec.weights.get(name, 0.0)) for name in LEXICAL_FEATURES}
    lists = []
    for match, mask in zip(matches, matched_items, strict=True):
        lexical = match.lexical
        rows = np.flatnonzero(mask & (lexical.coverage > 0))
        if len(rows) > depth:
            scores = weight["lexical"] * lexical.main[rows]
            scores = scores + weight["coverage"] * lexical.coverage[rows]
            scores = scores + weight["attributes"] * lexical.attributes[rows]
            scores = scores + weight["exact"] * lexical.exact[rows]
            scores = scores + weight["title"] * lexical.title[rows]
            rows = np.sort(rows[np.lexsort((rows, -scores))[:depth]])
        lists.append(rows)
    return pad_rows(lists)


@dataclass(frozen=True)
class NearItems:
    """What retrieval finds by the users and the texts of a batch of searches."""

    retrieved: Candidates  # nearest to the user vector; to the text where the user is unknown
    text_alone: NDArray[np.bool_]  # [batch] whether the user is unknown and the text has a meaning
    both: NDArray[np.int64]  # [n] the requests with a known user and a text with a meaning
    near_text: NDArray[np.int64]  # [n, width] item rows
    near_text_and_user: NDArray[np.int64]  # [n, width] item rows


def meaning_candidates(near: NearItems) -> NDArray[np.int64]:
    """The rows nearest to the vector of each text, `[batch, width]`, padded with 0."""
    rows = np.where(near.text_alone[:, None], near.retrieved.rows, PADDING_ROW)
    if len(near.both):
        rows = pad_columns(rows, near.near_text.shape[1], PADDING_ROW)
        rows[near.both, : near.near_text.shape[1]] = near.near_text
    return rows


def user_candidates(near: NearItems) -> NDArray[np.int64]:
    """The rows nearest to text and user together and to the user alone, `[batch, width]`, padded with 0."""
    user_rows = np.concatenate([near.near_text_and_user, near.retrieved.rows[near.both]], axis=1)
    rows = np.zeros((len(near.retrieved), user_rows.shape[1] if len(near.both) else 0), dtype=np.int64)
    if len(near.both):
        rows[near.both] = user_rows
    return rows


def _retrieve_near(
    snapshot: Snapshot,
    index: QueryIndex,
    batch: RequestBatch,
    matches: Sequence[TextMatch],
    stages: Stages,
    item_mask: ItemMask,
) -> NearItems:
    vectors = _text_vectors(matches, stages)
    has_meaning, known = vectors.any(axis=1), batch.has_signal()
    text_alone, both = has_meaning & ~known, np.flatnonzero(has_meaning & known)
    retrieved = _retrieve(snapshot, batch, vectors, text_alone, item_mask)
    if not len(both):
        nothing = np.zeros((0, 0), dtype=np.int64)
        return NearItems(retrieved, text_alone, both, nothing, nothing)
    # Text, and text and user together, in one run: inner products add up.
    text_vectors = vectors[both]
    blended_vectors = retrieved.query_vectors[both] + np.float32(index.spec.text_scale) * text_vectors
    twice = np.tile(both, 2)
    near = _retrieve(
        snapshot,
        batch.take(twice),
        np.concatenate([text_vectors, blended_vectors]),
        np.ones(len(twice), dtype=np.bool_),
        item_mask.take(twice),
    )
    return NearItems(retrieved, text_alone, both, near.rows[: len(both)], near.rows[len(both) :])


def _retrieve(
    snapshot: Snapshot,
    batch: RequestBatch,
    given_query: NDArray[np.float32],
    given: NDArray[np.bool_],
    item_mask: ItemMask,
) -> Candidates:
    return snapshot.retriever.run(replace(batch, given_query=given_query, given=given), SEMANTIC_DEPTH, item_mask)


def _matches_of(batch: RequestBatch) -> list[TextMatch]:
    matches = [match for match in batch.matches or () if match is not None]
    assert len(matches) == len(batch)  # noqa: S101 - only requests with a query are searches
    return matches


def _matched_items(
    match: TextMatch,
    near_rows: NDArray[np.int64],
    stages: Stages,
    mask: NDArray[np.bool_] | None,
    exclude_rows: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """`[rows]`, the items that match a query: those with its words, and those nearest in meaning."""
    lexical = match.lexical
    matched = lexical.matched_items if stages.lexical else np.zeros(len(lexical.main), dtype=np.bool_)
    matched = matched & mask if mask is not None else matched.copy()
    matched[near_rows] = True
    matched &= True if match.phrase_items is None else match.phrase_items
    matched &= True if match.excluded_items is None else ~match.excluded_items
    matched[exclude_rows] = False
    matched[PADDING_ROW] = False
    return matched


def _text_vectors(matches: Sequence[TextMatch], stages: Stages) -> NDArray[np.float32]:
    vectors = np.stack([match.vector for match in matches])
    return vectors if stages.semantic else np.zeros_like(vectors)


def _text_columns(matches: Sequence[TextMatch], candidates: CandidateList, vectors: NDArray[np.float32]) -> TextColumns:
    columns = np.empty((len(LEXICAL_FEATURES), len(candidates)), dtype=np.float32)
    for request, match in enumerate(matches):
        part, lexical = candidates.part(request), match.lexical
        rows = candidates.rows[part]
        for column, scores in zip(
            columns, (lexical.main, lexical.title, lexical.attributes, lexical.coverage, lexical.exact), strict=True
        ):
            column[part] = scores[rows]
    best_coverage = np.array([match.lexical.best_coverage for match in matches], dtype=np.float32)
    return TextColumns(columns, best_coverage, vectors)


def _weights(spec: SearchSpec, stages: Stages) -> dict[str, float]:
    ignored = set() if stages.lexical else set(LEXICAL_FEATURES)
    ignored |= set() if stages.semantic else {"semantic", "semantic_where_words_fail"}
    return {name: weight for name, weight in spec.weights.items() if name not in ignored}
