"""Cosines of a query with all rows: the compiled form against NumPy's, and against whole numbers."""

import numpy as np
import pytest
from candidate_lists import seeds
from hypothesis import given, settings
from hypothesis import strategies as st

from app.engine.kernels.library import Library
from app.engine.kernels.meaning import LARGEST_WIDTH, cosines_of_rows, numpy_cosines_of_rows

widths = st.sampled_from([1, 2, 15, 16, 31, 32, 33, 64, 100, 128, 384]) | st.integers(1, 200)


@given(seed=seeds, rows=st.integers(0, 70), width=widths)
@settings(max_examples=150, deadline=None)
def test_any_table_gives_the_same_bits_and_a_part_of_it_too(
    compiled: Library, seed: int, rows: int, width: int
) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.integers(-128, 128, (rows, width), dtype=np.int8)
    scales = rng.random(rows, dtype=np.float32)
    scales[rng.random(rows) < 0.1] = 0
    query = rng.integers(-127, 128, width, dtype=np.int8)
    unit = np.float32(rng.random() / 100)
    cosines = cosines_of_rows(vectors, scales, query, unit)
    assert cosines.tobytes() == numpy_cosines_of_rows(vectors, scales, query, unit).tobytes()
    products = vectors.astype(np.int64) @ query.astype(np.int64)
    assert cosines.tobytes() == (products.astype(np.float32) * unit * scales).tobytes()
    start = int(rng.integers(rows + 1))
    assert cosines_of_rows(vectors[start:], scales[start:], query, unit).tobytes() == cosines[start:].tobytes()


@pytest.mark.parametrize("width", [64, 128, LARGEST_WIDTH])
@pytest.mark.parametrize("sign", [-1, 1])
def test_the_largest_numbers_are_not_cut_off(compiled: Library, width: int, sign: int) -> None:
    vectors = np.full((9, width), -128, dtype=np.int8)
    vectors[::2] = 127
    query = np.full(width, sign * 127, dtype=np.int8)
    cosines = cosines_of_rows(vectors, np.ones(9, dtype=np.float32), query, np.float32(1))
    assert cosines.tolist() == [sign * 127 * width * (-128 if row % 2 else 127) for row in range(9)]


def test_arrays_that_do_not_fit_are_refused(compiled: Library) -> None:
    vectors, scales = np.zeros((5, 8), dtype=np.int8), np.zeros(5, dtype=np.float32)
    query = np.zeros(8, dtype=np.int8)
    with pytest.raises(IndexError):
        cosines_of_rows(vectors, scales[1:], query, np.float32(1))
    with pytest.raises(IndexError):
        cosines_of_rows(vectors, scales, query[1:], np.float32(1))
    wide = np.zeros((5, LARGEST_WIDTH + 1), dtype=np.int8)
    with pytest.raises(IndexError):
        cosines_of_rows(wide, scales, wide[0], np.float32(1))
