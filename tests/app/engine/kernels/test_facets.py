"""Counts of values: the compiled form against NumPy's."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.engine.kernels.facets import numpy_value_counts, value_counts
from app.engine.kernels.library import Library


@given(sizes=st.lists(st.integers(0, 40), max_size=30), rows=st.integers(1, 60), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=200, deadline=None)
def test_any_column_has_the_same_counts(compiled: Library, sizes: list[int], rows: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    items = rng.integers(0, rows, sum(sizes)).astype(np.int32)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    mask = rng.random(rows) < rng.random()
    counts = value_counts(items, offsets, mask)
    assert counts.tolist() == numpy_value_counts(items, offsets, mask).tolist()
    assert counts.tolist() == [int(mask[items[start:end]].sum()) for start, end in pairwise(offsets)]


def test_a_column_without_values_has_no_counts(compiled: Library) -> None:
    nothing = np.zeros(0, dtype=np.int32)
    for offsets in ([], [0]):
        assert value_counts(nothing, np.array(offsets, dtype=np.int64), np.ones(3, dtype=np.bool_)).tolist() == []


@pytest.mark.parametrize(("items", "offsets"), [([0, 3], [0, 2]), ([0, -1], [0, 1, 2]), ([0], [0, 2])])
def test_an_item_outside_of_the_mask_is_refused(compiled: Library, items: list[int], offsets: list[int]) -> None:
    with pytest.raises(IndexError):
        value_counts(np.array(items, dtype=np.int32), np.array(offsets, dtype=np.int64), np.ones(3, dtype=np.bool_))
