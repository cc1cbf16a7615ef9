"""The scores of a search: the compiled form against NumPy's."""

import numpy as np
import pytest
from candidate_lists import seeds
from hypothesis import given, settings
from hypothesis import strategies as st
from rank_tables_made_up import made_up_tables

from app.artifact.search_features import SEARCH_FEATURES, TASTE, TEXT_FEATURES
from app.engine.kernels.library import Library
from app.engine.kernels.scores import (
    _VALUES,
    SearchTerms,
    Weights,
    numpy_scores_of_search,
    plain_weights,
    scores_of_search,
)
from app.engine.kernels.words import Column, RowColumns

ITEMS = 400


def drawn_terms(rng: np.random.Generator, n: int, dim: int, words: int) -> SearchTerms:
    rows = np.sort(rng.permutation(np.arange(1, ITEMS + 1))[:words]).astype(np.int32)
    text, user = (rng.normal(size=dim).astype(np.float32) * rng.choice(np.array([0, 1], np.float32)) for _ in range(2))
    share, in_order, chosen = (rng.random(n).astype(np.float32) for _ in range(3))
    return SearchTerms(
        words=RowColumns(rows, rng.random((int(Column.SAID), len(rows))).astype(np.float32)),
        titles=(share, in_order) if rng.random() < 0.7 else None,
        chosen=chosen if rng.random() < 0.5 else None,
        text=text,
        user=user if rng.random() < 0.6 else None,
        best_coverage=float(rng.random()),
    )


def weighed(**weights: float) -> Weights:
    plain = plain_weights(weights)
    assert plain is not None
    return plain


@given(
    seed=seeds,
    n=st.integers(0, 60),
    dim=st.sampled_from([1, 3, 31, 64, 130]),
    words=st.sampled_from([0, 1, 40, ITEMS]),
    names=st.permutations(_VALUES),
)
@settings(max_examples=150, deadline=None)
def test_any_candidates_have_the_same_scores(
    compiled: Library, seed: int, n: int, dim: int, words: int, names: list[str]
) -> None:
    rng = np.random.default_rng(seed)
    tables = made_up_tables(rng, ITEMS, dim, 4)
    rows = np.sort(rng.permutation(np.arange(1, ITEMS + 1))[:n]).astype(np.int64)
    terms = drawn_terms(rng, n, dim, words)
    weights = weighed(**{name: float(rng.normal()) for name in names[: 1 + seed % len(names)]})
    scores = scores_of_search(tables, terms, rows, weights)
    assert scores.tobytes() == numpy_scores_of_search(tables, terms, rows, weights).tobytes()


def test_other_values_are_not_weighed_here() -> None:
    assert plain_weights({"lexical": 5.0, "like_last": 0.5}) is None
    plain = weighed(lexical=5.0, like_last=0.0, meaning=8.5, score=0.1)  # no encoder reads the query: meaning is 0
    assert list(plain.by_name) == ["lexical", TASTE]
    assert set(_VALUES) < set(SEARCH_FEATURES)
    assert set(TEXT_FEATURES) - set(_VALUES) == {"meaning", "like_best", "kind"}


def test_a_candidate_outside_of_the_tables_is_refused(compiled: Library) -> None:
    rng = np.random.default_rng(1)
    tables, terms = made_up_tables(rng, ITEMS, 8, 4), drawn_terms(rng, 1, 8, 3)
    with pytest.raises(IndexError, match="expected rows below"):
        scores_of_search(tables, terms, np.array([len(tables.scales)]), weighed(score=1.0))
