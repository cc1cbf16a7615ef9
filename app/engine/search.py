"""Search: items by their words and by meaning, under one order that also knows the user."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.names import PADDING_ROW
from app.artifact.rank_features import FEATURES, CandidateList, UserContext
from app.artifact.rank_features import POPULARITY as RANKER_POPULARITY
from app.artifact.rank_tables import RankTables
from app.artifact.search_features import (
    CHOSEN,
    LEXICAL_FEATURES,
    MEANING_FEATURES,
    POPULARITY,
    TEXT_FEATURES,
    TITLE_FEATURES,
    TextColumns,
    search_features,
)
from app.artifact.search_spec import SearchSpec
from app.engine.ablation import Ablation
from app.engine.candidate_sources import union_for_search
from app.engine.candidates import Candidates, top_k
from app.engine.kernels.cosines import cosines_of
from app.engine.kernels.features import popularity_columns, rank_features
from app.engine.kernels.order import weighted_sum
from app.engine.kernels.scores import SearchTerms, Weights, plain_weights, scores_of_search
from app.engine.kernels.words import Column
from app.engine.requests import (
    ALL_ITEMS,
    ALL_STAGES,
    ItemMask,
    RequestBatch,
    Stages,
    blank_batch,
    pad_rows,
    user_context_of,
)
from app.engine.snapshot import Snapshot
from app.engine.text.hits import Hits, NearItems, everything_near
from app.engine.text.query_index import QueryIndex
from app.engine.text.text_match import TextMatch

_NO_ROWS: Final = np.zeros(0, dtype=np.int64)
_SUMMED: Final = (
    ("lexical", Column.MAIN),
    ("coverage", Column.COVERAGE),
    ("attributes", Column.ATTRIBUTES),
    ("exact", Column.EXACT),
    ("title", Column.TITLE),
)
"""What makes an item a candidate by its words, in the order of the sum."""
BY_USER_DEPTH: Final = 200
"""Items that suit the user, or text and user together, and are candidates where the search finds them."""


def rank_search(
    snapshot: Snapshot,
    index: QueryIndex,
    batch: RequestBatch,
    depth: int,
    stages: Stages = ALL_STAGES,
    item_mask: ItemMask = ALL_ITEMS,
) -> Candidates:
    """The best `depth` items that requests with a query find. As `recommend` otherwise."""
    candidates, user_vectors, matched_items = search_candidates(snapshot, index, batch, depth, stages, item_mask)
    context = user_context_of(batch, user_vectors)
    scores = search_scores(snapshot, index, batch, candidates, context, stages)
    best = top_k(candidates, scores, depth, user_vectors)
    has_objective = batch.objective is not None and bool(batch.objective.any())
    compared_rows = candidates.rows_of_requests() if has_objective else None
    return replace(best, matched_items=matched_items, compared_rows=compared_rows)


def search_candidates(
    snapshot: Snapshot,
    index: QueryIndex,
    batch: RequestBatch,
    depth: int,
    stages: Stages = ALL_STAGES,
    item_mask: ItemMask = ALL_ITEMS,
) -> tuple[CandidateList, NDArray[np.float32], tuple[NDArray[np.bool_], ...]]:
    """Candidates of a search, out of what it finds: the items with the best words, those nearest in meaning, and those
    that suit the user best.

    Returns:
        The candidates; the user vectors of the query tower, `[batch, dim]`, zeros for unknown users; and the items
        that may be answered to each query, `[rows]` a request: those that it finds and that pass.
    """
    matches = _matches_of(batch)
    hits = _hits_of_stages(index, matches, stages)
    matched_items = tuple(
        _answerable(of_query, item_mask.of(request), batch.exclude_rows[request])
        for request, of_query in enumerate(hits)
    )
    text_rows = text_candidates(index.spec, matches, matched_items, depth, stages)
    goes_on = np.array(  # whether there are items that are no candidates by words already
        [np.count_nonzero(matched) > len(rows) for matched, rows in zip(matched_items, text_rows, strict=True)],
        dtype=np.bool_,
    )
    chosen_rows = [match.chosen.rows if stages.lexical else _NO_ROWS for match in matches]
    near_rows = pad_rows(
        [
            np.concatenate([rows, _near_candidates(index, match, of_query, matched, depth, stages)])
            for rows, match, of_query, matched in zip(chosen_rows, matches, hits, matched_items, strict=True)
        ]
    )
    user_vectors = _user_vectors(snapshot, index, batch)
    user_rows = _retrieve_by_user(
        snapshot, index, batch, user_vectors, _text_vectors(matches, stages), goes_on, item_mask
    )
    meaning_rows = np.concatenate([near_rows, user_rows], axis=1) if user_rows.shape[1] else near_rows
    for rows, matched in zip(meaning_rows, matched_items, strict=True):
        rows[~matched[rows]] = PADDING_ROW
    candidates = union_for_search(batch, pad_rows(text_rows), meaning_rows, snapshot.tables, item_mask)
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
    weights = plain_weights(_weights(index.spec, stages))
    if weights is not None and ablation is None and objective is None and _reads_words_alone(batch):
        return _plain_scores(snapshot.tables, batch, candidates, context, stages, weights)
    features, ranker_features = features_of_search(snapshot.tables, index, batch, candidates, context, stages)
    if ablation is not None:
        ablation.zero_query(features[: len(TEXT_FEATURES)], candidates.request_index)
        ablation.level_popularity(features[POPULARITY], candidates.request_index)
    scores = weighted_sum(features, _weights(index.spec, stages)) + _named_gains(batch, candidates, stages, ablation)
    if objective is not None and snapshot.ranker is not None:
        if ablation is not None:
            ranker_features = rank_features(snapshot.tables, candidates, context, ablation.reference)
            ablation.level_popularity(ranker_features[:, RANKER_POPULARITY].T, candidates.request_index)
        elif not batch.has_signal().all():
            ranker_features = rank_features(snapshot.tables, candidates, context)
        scores += snapshot.ranker.objective_gain(candidates, ranker_features, objective)
    return scores


def _reads_words_alone(batch: RequestBatch) -> bool:
    """Whether no text encoder has read a query."""
    return all(match.meaning is None for match in _matches_of(batch))


def _plain_scores(
    tables: RankTables,
    batch: RequestBatch,
    candidates: CandidateList,
    context: UserContext,
    stages: Stages,
    weights: Weights,
) -> NDArray[np.float32]:
    """As `search_scores`, where the weighted values are a few: the others are not worked out."""
    scores = np.empty(len(candidates), dtype=np.float32)
    matches = _matches_of(batch)
    vectors, known = _text_vectors(matches, stages), batch.has_signal().tolist()
    for request, match in enumerate(matches):
        part, lexical = candidates.part(request), match.lexical
        rows = candidates.rows[part]
        terms = SearchTerms(
            words=lexical.scores,
            titles=None if lexical.titles is None else lexical.titles.features(rows),
            chosen=match.chosen.evidence_of(rows) if len(match.chosen.rows) else None,
            text=vectors[request],
            user=context.query_vectors[request] if known[request] else None,
            best_coverage=lexical.best_coverage,
        )
        of_request = scores_of_search(tables, terms, rows, weights)
        if stages.lexical and len(lexical.named.rows):
            of_request += lexical.named.gains_of(rows)
        scores[part] = of_request
    return scores


def features_of_search(
    tables: RankTables,
    index: QueryIndex,
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
    elif not known.any():
        ranker_features = np.zeros((0, len(FEATURES)), dtype=np.float32)
    else:
        ranker_features = rank_features(tables, candidates.of_requests(known), context.take(np.flatnonzero(known)))
    cosines = cosines_of(tables, candidates, _text_vectors(matches, stages))
    columns = _text_columns(index, matches, candidates, cosines, stages)
    return search_features(tables, candidates, columns, known, ranker_features, popularity_columns), ranker_features


def text_candidates(
    spec: SearchSpec,
    matches: Sequence[TextMatch],
    matched_items: Sequence[NDArray[np.bool_]],
    depth: int,
    stages: Stages,
) -> list[NDArray[np.int64]]:
    """The rows of each query that match its words best, `depth` of them at most, ascending."""
    if not stages.lexical:
        return [_NO_ROWS] * len(matches)
    weights = {column: spec.weights.get(name, 0.0) for name, column in _SUMMED}
    weights[Column.TITLE] = float(np.float32(weights[Column.TITLE]) + np.float32(spec.weights.get("in_name", 0.0)))
    return [  # of so many items titles are not read
        match.lexical.scores.best(mask, weights, (match.lexical.named.rows, match.lexical.named.gains), depth)
        for match, mask in zip(matches, matched_items, strict=True)
    ]


def _user_vectors(snapshot: Snapshot, index: QueryIndex, batch: RequestBatch) -> NDArray[np.float32]:
    """The vectors of known users, `[batch, dim]`, zeros for others."""
    known = np.flatnonzero(batch.has_signal())
    if len(known) == len(batch):
        return snapshot.retriever.query_vectors(batch)
    user_vectors = np.zeros((len(batch), index.dim), dtype=np.float32)
    if len(known):
        user_vectors[known] = snapshot.retriever.query_vectors(batch.take(known))
    return user_vectors


def _retrieve_by_user(
    snapshot: Snapshot,
    index: QueryIndex,
    batch: RequestBatch,
    user_vectors: NDArray[np.float32],
    text_vectors: NDArray[np.float32],
    goes_on: NDArray[np.bool_],
    item_mask: ItemMask,
) -> NDArray[np.int64]:
    """The rows nearest to text and user together, and to the user alone, `[batch, width]`, padded with 0, of requests
    with a known user and a text with a meaning whose search `goes_on` beyond its words' candidates.

    Args:
        user_vectors: `[batch, dim]`, zeros for unknown users.
        text_vectors: `[batch, dim]`, zeros without a meaning.
        goes_on: `[batch]`; what the search finds of others are candidates already, whatever suits the user.
    """
    requests = np.flatnonzero(batch.has_signal() & goes_on & text_vectors.any(axis=1))
    if not len(requests):
        return np.zeros((len(batch), 0), dtype=np.int64)
    of_users = user_vectors[requests]
    blended = of_users + np.float32(index.spec.text_scale) * text_vectors[requests]
    twice = np.concatenate([requests, requests])  # one run for both
    given = replace(  # events say nothing where the vector is given
        _blank(len(twice), batch.event_rows.shape[1], index.dim),
        exclude_rows=batch.exclude_rows[twice],
        given_query=np.concatenate([blended, of_users]),
        given=np.ones(len(twice), dtype=np.bool_),
    )
    nearest = snapshot.retriever.run(given, BY_USER_DEPTH, item_mask.take(twice)).rows
    rows = np.zeros((len(batch), 2 * nearest.shape[1]), dtype=np.int64)
    rows[requests] = np.concatenate([nearest[: len(requests)], nearest[len(requests) :]], axis=1)
    return rows


@lru_cache(maxsize=64)
def _blank(size: int, window: int, dim: int) -> RequestBatch:
    """As `blank_batch`, for requests whose events nobody reads and nobody writes."""
    return blank_batch(size, window, dim)


def _matches_of(batch: RequestBatch) -> list[TextMatch]:
    matches = [match for match in batch.matches or () if match is not None]
    assert len(matches) == len(batch)  # noqa: S101 - only requests with a query are searches
    return matches


def _hits_of_stages(index: QueryIndex, matches: Sequence[TextMatch], stages: Stages) -> list[Hits]:
    """What each query finds by the stages that run: by words alone, or by meaning alone, which needs no floor then."""
    if stages.lexical and stages.semantic:
        return [match.hits for match in matches]
    if stages.lexical:
        return [
            replace(match.hits, items=match.hits.items & match.lexical.hits, near_rows=_NO_ROWS) for match in matches
        ]
    return [everything_near(near, index.selectable) for near in _near_of(index, matches, stages)]


def _near_of(index: QueryIndex, matches: Sequence[TextMatch], stages: Stages) -> list[NearItems]:
    """The items nearest to each query in meaning, whatever words say."""
    reader = index.meaning
    if reader is None:
        return index.nearest(_text_vectors(matches, stages))
    return [
        NearItems.none() if match.meaning is None else reader.nearest(match.meaning, index.selectable)
        for match in matches
    ]


def _near_candidates(
    index: QueryIndex, match: TextMatch, hits: Hits, matched: NDArray[np.bool_], depth: int, stages: Stages
) -> NDArray[np.int64]:
    """The rows that are candidates by the meaning of a query: of what it finds, those nearest to it."""
    if match.meaning is None or index.meaning is None or not stages.semantic:
        return hits.near_rows
    return index.meaning.nearest(match.meaning, matched, depth).rows


def _answerable(hits: Hits, mask: NDArray[np.bool_] | None, exclude_rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """`[rows]`, the items that a query finds and that may be answered."""
    matched = hits.items & mask if mask is not None else hits.items.copy()
    matched[exclude_rows] = False
    matched[PADDING_ROW] = False
    return matched


def _text_vectors(matches: Sequence[TextMatch], stages: Stages) -> NDArray[np.float32]:
    vectors = np.stack([match.vector for match in matches])
    return vectors if stages.semantic else np.zeros_like(vectors)


def _text_columns(
    index: QueryIndex,
    matches: Sequence[TextMatch],
    candidates: CandidateList,
    cosines: NDArray[np.float32],
    stages: Stages,
) -> TextColumns:
    meaning = np.zeros((len(MEANING_FEATURES), len(candidates)), dtype=np.float32)
    columns = np.zeros((len(LEXICAL_FEATURES), len(candidates)), dtype=np.float32)
    chosen = np.empty(len(candidates), dtype=np.float32)
    for request, match in enumerate(matches):
        part, lexical = candidates.part(request), match.lexical
        rows = candidates.rows[part]
        lexical.scores.write(rows, columns[: Column.SAID, part])
        if lexical.titles is not None:
            columns[-len(TITLE_FEATURES) :, part] = lexical.titles.features(rows)
        chosen[part] = match.chosen.evidence_of(rows)
        if match.meaning is not None and index.meaning is not None and stages.semantic:
            meaning[:, part] = index.meaning.features(match.meaning, rows)
            if match.meaning.words_say < 1:
                columns[:, part] *= index.meaning.words_say(match.meaning, rows)
    best_coverage = np.array([match.lexical.best_coverage for match in matches], dtype=np.float32)
    return TextColumns(columns, chosen, cosines, best_coverage, meaning)


def _named_gains(
    batch: RequestBatch, candidates: CandidateList, stages: Stages, ablation: Ablation | None
) -> NDArray[np.float32]:
    """`[candidates]`, what items get that the whole query names."""
    gains = np.zeros(len(candidates), dtype=np.float32)
    if stages.lexical:
        for request, match in enumerate(_matches_of(batch)):
            part = candidates.part(request)
            gains[part] = match.lexical.named.gains_of(candidates.rows[part])
    if ablation is not None:
        ablation.zero_query(gains[None], candidates.request_index)
    return gains


def _weights(spec: SearchSpec, stages: Stages) -> dict[str, float]:
    ignored = set() if stages.lexical else {*LEXICAL_FEATURES, CHOSEN}
    ignored |= set() if stages.semantic else {"semantic", "semantic_where_words_fail", *MEANING_FEATURES}
    return {name: weight for name, weight in spec.weights.items() if name not in ignored}
