"""Cosines of queries and candidates: the compiled form against NumPy's."""

import numpy as np
import pytest
from candidate_lists import batch_lengths, candidate_list, seeds
from hypothesis import given, settings
from hypothesis import strategies as st
from rank_tables_made_up import made_up_tables

from app.artifact import search_features as numpy_form
from app.engine.kernels.cosines import cosines_of
from app.engine.kernels.library import Library

ITEMS = 60


@given(lengths=batch_lengths, seed=seeds, dim=st.sampled_from([1, 3, 8, 64, 130]))
@settings(max_examples=100, deadline=None)
def test_any_candidates_have_the_same_cosines(compiled: Library, lengths: list[int], seed: int, dim: int) -> None:
    rng = np.random.default_rng(seed)
    tables = made_up_tables(rng, ITEMS, dim, 4)
    candidates = candidate_list(lengths, rng, ITEMS + 1)
    queries = rng.normal(size=(len(lengths), dim)).astype(np.float32)
    queries[rng.random(len(lengths)) < 0.2] = 0
    cosines = cosines_of(tables, candidates, queries)
    assert cosines.tobytes() == numpy_form.cosines_of(tables, candidates, queries).tobytes()


def test_a_candidate_outside_of_the_tables_is_refused(compiled: Library) -> None:
    rng = np.random.default_rng(1)
    tables = made_up_tables(rng, ITEMS, 8, 4)
    candidates = candidate_list([5], rng, ITEMS + 1)
    candidates.rows[-1] = len(tables.scales)
    with pytest.raises(IndexError):
        cosines_of(tables, candidates, np.ones((1, 8), dtype=np.float32))
