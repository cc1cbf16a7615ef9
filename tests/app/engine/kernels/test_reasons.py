"""The order of reasons: the compiled form against NumPy's."""

import numpy as np
import pytest
from candidate_lists import seeds
from hypothesis import given, settings
from hypothesis import strategies as st

from app.engine.kernels.library import Library
from app.engine.kernels.reasons import numpy_ordered_weights, ordered_weights


@given(
    seed=seeds,
    parts=st.integers(0, 14),
    items=st.integers(0, 25),
    values=st.sampled_from([3, 1_000_000]),  # so few that many are equal
    keeps=st.booleans(),
)
@settings(max_examples=100, deadline=None)
def test_any_weights_have_the_same_order(
    compiled: Library, seed: int, parts: int, items: int, values: int, keeps: bool
) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.integers(-values, values + 1, (parts, items)) / 2.0
    kept = rng.random((parts, items)) < 0.2 if keeps else None
    ordered, expected = ordered_weights(weights, kept), numpy_ordered_weights(weights, kept)
    assert ordered.counts.tolist() == expected.counts.tolist()
    assert ordered.totals.tolist() == expected.totals.tolist()
    for item, count in enumerate(ordered.counts.tolist()):
        assert ordered.places[item, :count].tolist() == expected.places[item, :count].tolist()
        assert ordered.units[item, :count].tolist() == expected.units[item, :count].tolist()


def test_marks_of_other_items_are_refused(compiled: Library) -> None:
    with pytest.raises(IndexError, match="expected marks"):
        ordered_weights(np.zeros((3, 2)), np.zeros((2, 3), np.bool_))
