"""Lists whose items differ: the compiled form against NumPy's."""

import numpy as np
import pytest
from candidate_lists import seeds
from hypothesis import given, settings
from hypothesis import strategies as st

from app.engine.kernels.diversity import diverse_order, numpy_diverse_order
from app.engine.kernels.library import Library


@given(
    seed=seeds,
    count=st.sampled_from([2, 3, 7, 8, 9, 40, 200]),
    dim=st.sampled_from([1, 2, 16, 33, 64, 1_024]),
    answered=st.integers(2, 30),
    lists=st.integers(1, 21),
    spread=st.sampled_from([0, 1, 40, 500]),
    levels=st.sampled_from([1, 3, 10_000]),
)
@settings(max_examples=100, deadline=None)
def test_any_list_gets_the_same_order(
    compiled: Library, seed: int, count: int, dim: int, answered: int, lists: int, spread: int, levels: int
) -> None:
    rng = np.random.default_rng(seed)
    relevance = np.sort(rng.integers(0, levels, count) / levels)[::-1]
    codes = rng.normal(0, spread, (count, dim)).clip(-127, 127).astype(np.int8)
    codes[rng.random(count) < 0.3] = codes[0]
    shares = 0.05 * np.arange(lists)
    order = diverse_order(relevance, codes, min(answered, count), shares)
    assert sorted(order.tolist()) == list(range(count))
    assert np.array_equal(order, numpy_diverse_order(relevance, codes, min(answered, count), shares))


def test_more_answered_than_there_are_is_refused(compiled: Library) -> None:
    with pytest.raises(IndexError, match="expected 3 relevances"):
        diverse_order(np.zeros(3), np.ones((3, 4), np.int8), 4, np.zeros(1))
