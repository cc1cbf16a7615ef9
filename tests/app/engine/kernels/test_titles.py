"""The words of a query in titles: the compiled form against NumPy's."""

from typing import Any

import numpy as np
import pytest
from candidate_lists import seeds
from hypothesis import given, settings
from hypothesis import strategies as st

from app.artifact.columns import offsets_of
from app.engine.kernels.library import Library
from app.engine.kernels.titles import PlacedTitles, QueryTerms, TitleFeatures


def drawn_titles(rng: np.random.Generator, dtype: Any) -> PlacedTitles:
    lengths = rng.integers(0, 12, 40)
    terms = rng.integers(0, 14, lengths.sum()).astype(dtype)
    return PlacedTitles(terms, rng.integers(0, 65, len(terms)).astype(np.uint8) // 6, offsets_of(lengths))


@given(seed=seeds, words=st.integers(0, 32), known=st.integers(0, 14), dtype=st.sampled_from([np.int32, np.uint64]))
@settings(max_examples=200, deadline=None)
def test_any_words_stand_in_titles_alike(compiled: Library, seed: int, words: int, known: int, dtype: Any) -> None:
    rng = np.random.default_rng(seed)
    titles = drawn_titles(rng, dtype)
    bits = {int(term): int(rng.integers(0, 1 << words)) for term in rng.permutation(14)[:known]}
    query = QueryTerms.of(bits, dtype)
    weights = rng.random(words).astype(np.float32) / 4
    numbers = rng.integers(0, 40, 25)
    lines = rng.permutation(30)[:25]
    found, expected = TitleFeatures.of_none(30), TitleFeatures.of_none(30)
    found.write(titles, numbers, lines, query, weights)
    expected.numpy_write(titles, numbers, lines, query, weights)
    assert found.share.tobytes() == expected.share.tobytes()
    assert found.in_order.tobytes() == expected.in_order.tobytes()


def test_a_title_that_is_not_there_is_refused(compiled: Library) -> None:
    titles = drawn_titles(np.random.default_rng(1), np.int32)
    query = QueryTerms.of({1: 1}, np.int32)
    with pytest.raises(IndexError):
        TitleFeatures.of_none(1).write(titles, np.array([40]), np.array([0]), query, np.ones(1, dtype=np.float32))
