"""The best items of a search: the compiled form against NumPy's."""

import numpy as np
import pytest
from candidate_lists import seeds
from hypothesis import given, settings
from hypothesis import strategies as st

from app.engine.kernels.library import Library
from app.engine.kernels.search import Products, best_items, numpy_best_items


def drawn_products(rng: np.random.Generator, batch: int, rows: int, spread: int) -> Products:
    products = rng.normal(0, spread, (batch, rows)).astype(np.int32)
    units = rng.choice(np.array([1e-12, 0.01, 0.3], np.float32), batch)
    scales = rng.choice(np.array([0, 0.001, 0.02], np.float32), rows) * rng.choice(
        np.array([1, 1, 1.7], np.float32), rows
    )
    return Products(products, units, scales)


@given(
    seed=seeds,
    batch=st.integers(1, 4),
    rows=st.sampled_from([1, 15, 16, 33, 500, 2_500, 9_001]),
    k=st.sampled_from([1, 7, 200, 1_000]),
    spread=st.sampled_from([0, 2, 30_000]),
    share=st.sampled_from([0.0, 0.01, 0.5, 1.0]),
    excluded=st.integers(0, 9),
    masks=st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_any_products_give_the_same_items(
    compiled: Library, seed: int, batch: int, rows: int, k: int, spread: int, share: float, excluded: int, masks: bool
) -> None:
    rng = np.random.default_rng(seed)
    found = drawn_products(rng, batch, rows, spread)
    allowed = rng.random((batch if masks else 1, rows)) < share
    exclude = rng.integers(0, rows, (batch, excluded))
    scores, best = best_items(found, min(k, rows), allowed, exclude)
    expected_scores, expected = numpy_best_items(found, min(k, rows), allowed, exclude)
    assert scores.tobytes() == expected_scores.tobytes()
    assert np.array_equal(best, expected)
    for query in range(batch):
        part = slice(query, query + 1)
        own = Products(found.products[part], found.units[part], found.scales)
        own_scores, own_best = best_items(own, min(k, rows), allowed[part] if masks else allowed, exclude[part])
        assert own_scores.tobytes() == scores[part].tobytes()
        assert np.array_equal(own_best, best[part])


def test_a_guess_that_was_too_high_costs_no_item(compiled: Library) -> None:
    rows, k = 50_000, 300
    products = np.zeros((1, rows), np.int32)
    step = rows // 1_024
    products[0, step // 2 :: step] = 1_000 + np.arange(len(products[0, step // 2 :: step]))  # what is sampled is best
    found = Products(products, np.ones(1, np.float32), np.ones(rows, np.float32))
    allowed, exclude = np.ones((1, rows), np.bool_), np.zeros((1, 0), np.int64)
    for count in (k, 2_000):
        assert np.array_equal(
            best_items(found, count, allowed, exclude)[1], numpy_best_items(found, count, allowed, exclude)[1]
        )


def test_a_mask_of_other_items_is_refused(compiled: Library) -> None:
    found = drawn_products(np.random.default_rng(0), 1, 20, 9)
    with pytest.raises(IndexError, match="expected a mask and scales of 20 rows"):
        best_items(found, 3, np.ones((1, 19), np.bool_), np.zeros((1, 0), np.int64))
