"""The items nearest to query vectors: the compiled form against NumPy's."""

import numpy as np
import pytest
from candidate_lists import seeds
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.engine.kernels.library import Library
from app.engine.kernels.nearest import ItemVectors
from app.engine.kernels.search import BestItems


def drawn_items(rng: np.random.Generator, rows: int, dim: int, spread: int) -> ItemVectors:
    codes = rng.integers(-spread, spread + 1, (rows, dim)).clip(-128, 127).astype(np.int8)
    scales = rng.choice(np.array([0, 0.001, 0.02], np.float32), rows) * rng.choice(
        np.array([1, 1, 1.7], np.float32), rows
    )
    return ItemVectors(codes, scales)


def found(
    items: ItemVectors,
    level: int,
    queries: NDArray[np.float32],
    k: int,
    allowed: NDArray[np.bool_],
    exclude: NDArray[np.int64],
) -> BestItems:
    """What the kernel finds by the instructions of a level, as far as the processor has them."""
    structure, _ = items._readable
    structure.level = min(level, structure.level)
    return items.nearest(queries, k, allowed, exclude)


@given(
    seed=seeds,
    batch=st.integers(1, 6),
    rows=st.sampled_from([1, 7, 33, 500, 2_500, 9_001]),
    dim=st.sampled_from([1, 5, 31, 32, 64, 100, 300]),
    k=st.sampled_from([1, 7, 200, 1_000]),
    spread=st.sampled_from([0, 2, 128]),
    share=st.sampled_from([0.0, 0.01, 0.5, 1.0]),
    excluded=st.sampled_from([0, 3, 900]),
    masks=st.booleans(),
    level=st.integers(1, 2),
)
@settings(max_examples=200, deadline=None)
def test_any_vectors_find_the_same_items(
    compiled: Library,
    seed: int,
    batch: int,
    rows: int,
    dim: int,
    k: int,
    spread: int,
    share: float,
    excluded: int,
    masks: bool,
    level: int,
) -> None:
    rng = np.random.default_rng(seed)
    items = drawn_items(rng, rows, dim, spread)
    queries = rng.normal(size=(batch, dim)).astype(np.float32) * rng.choice(np.array([0, 1e-20, 1], np.float32))
    allowed = rng.random((batch if masks else 1, rows)) < share
    exclude = rng.integers(0, rows + 2, (batch, excluded))
    k = min(k, rows)
    scores, best = found(items, level, queries, k, allowed, exclude)
    expected_scores, expected = items.numpy_nearest(queries, k, allowed, exclude)
    assert scores.tobytes() == expected_scores.tobytes()
    assert np.array_equal(best, expected)
    for query in range(batch):
        part = slice(query, query + 1)
        own = found(items, level, queries[part], k, allowed[part] if masks else allowed, exclude[part])
        assert own[0].tobytes() == scores[part].tobytes()
        assert np.array_equal(own[1], best[part])


@pytest.mark.parametrize("ascends", [False, True])
@pytest.mark.parametrize("excluded", [0, 1_000])
def test_a_guess_that_was_too_high_costs_no_item(compiled: Library, ascends: bool, excluded: int) -> None:
    rows = 50_000
    scales = np.arange(rows, dtype=np.float32) * np.float32(1e-6) if ascends else np.full(rows, 1e-6, np.float32)
    step = rows // 1_024
    scales[step // 2 :: step] += 1  # what is sampled is best
    items = ItemVectors(np.ones((rows, 8), np.int8), scales)
    queries, allowed = np.ones((2, 8), np.float32), np.ones((1, rows), np.bool_)
    exclude = np.tile(np.arange(step // 2, rows, step)[:excluded], (2, 1))
    for count in (300, 2_000):
        expected = items.numpy_nearest(queries, count, allowed, exclude)
        for level in (1, 2):
            scores, best = found(items, level, queries, count, allowed, exclude)
            assert scores.tobytes() == expected[0].tobytes()
            assert np.array_equal(best, expected[1])


def test_other_shapes_are_refused(compiled: Library) -> None:
    items = drawn_items(np.random.default_rng(0), 20, 4, 9)
    nothing = np.zeros((1, 0), np.int64)
    with pytest.raises(IndexError, match="expected a mask of 20 rows and 1 queries of 4 numbers"):
        items.nearest(np.ones((1, 4), np.float32), 3, np.ones((1, 19), np.bool_), nothing)
    with pytest.raises(IndexError, match="expected a mask of 20 rows and 1 queries of 4 numbers"):
        items.nearest(np.ones((1, 5), np.float32), 3, np.ones((1, 20), np.bool_), nothing)
    with pytest.raises(IndexError, match="a scale each"):
        ItemVectors(items.codes, items.score_scales[1:]).nearest(
            np.ones((1, 4), np.float32), 3, np.ones((1, 20), np.bool_), nothing
        )
