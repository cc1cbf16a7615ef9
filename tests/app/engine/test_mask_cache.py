"""Masks are kept within a limit that counts their filters, too."""

import numpy as np

from app.engine.selection.filters import Comparison, Condition, Every, Filter, Without
from app.engine.selection.mask_cache import LEAST_MASKS, MaskCache

MEGABYTE = 2**20


def long_filter(index: int) -> Filter:
    """A filter of a megabyte of texts."""
    values = tuple(f"{index}-{value}-" + "x" * 1_000 for value in range(256))
    return Every((Without(Condition("brand", (Comparison("in", values),))),))


def test_long_filters_are_let_go_of() -> None:
    cache = MaskCache(10 * MEGABYTE)
    for index in range(40):
        cache.put(long_filter(index), np.ones(1_000, dtype=np.bool_))
        assert cache.nbytes <= 10 * MEGABYTE or len(cache) <= LEAST_MASKS
    assert len(cache) == 9
    assert cache.get(long_filter(0)) is None
    assert cache.get(long_filter(39)) is not None


def test_short_filters_stay_as_long_as_their_masks_fit() -> None:
    cache = MaskCache(MEGABYTE)
    for index in range(1_000):
        cache.put(Condition("price", (Comparison("lt", float(index)),)), np.ones(10_000, dtype=np.bool_))
    assert 95 <= len(cache) <= 105


def test_the_accounts_are_level_when_all_has_gone_round() -> None:
    cache = MaskCache(1)
    for index in range(100):
        cache.put(long_filter(index % 7), np.ones(index + 1, dtype=np.bool_))
    assert len(cache) == LEAST_MASKS
    assert cache.nbytes < (LEAST_MASKS + 1) * 1.2 * MEGABYTE
