"""Masks are kept within a limit, and nothing of the filters that they are kept by."""

import gc

import numpy as np

from app.engine.selection.filters import Comparison, Condition, Every, Filter, Some, Without, key_of
from app.engine.selection.mask_cache import ENTRY_BYTES, LEAST_MASKS, MaskCache

MEGABYTE = 2**20


def long_filter(index: int) -> Filter:
    """A filter of a megabyte of texts."""
    values = tuple(f"{index}-{value}-" + "x" * 1_000 for value in range(256))
    return Every((Without(Condition("brand", (Comparison("in", values),))),))


def wide_filter(index: int) -> Filter:
    """A filter of a thousand objects."""
    return Some(tuple(Condition("title", (Comparison("eq", f"{index} {part}"),)) for part in range(250)))


def test_of_long_and_wide_filters_nothing_is_kept() -> None:
    cache = MaskCache(10 * MEGABYTE)
    gc.collect()
    tracked = len(gc.get_objects())
    for index in range(200):
        cache.put(wide_filter(index), np.ones(1_000, dtype=np.bool_))
    for index in range(20):
        cache.put(long_filter(index), np.ones(1_000, dtype=np.bool_))
    gc.collect()
    assert len(gc.get_objects()) - tracked < 100  # of 150,000 that these filters had
    assert len(cache) == 220
    assert cache.nbytes == 220 * (1_000 + ENTRY_BYTES)
    assert cache.get(long_filter(0)) is not None
    assert cache.get(wide_filter(199)) is not None
    assert cache.get(wide_filter(200)) is None


def test_filters_stay_as_long_as_their_masks_fit() -> None:
    cache = MaskCache(MEGABYTE)
    for index in range(1_000):
        cache.put(Condition("price", (Comparison("lt", float(index)),)), np.ones(10_000, dtype=np.bool_))
        assert cache.nbytes <= MEGABYTE
    assert 95 <= len(cache) <= 105
    assert cache.get(Condition("price", (Comparison("lt", 0.0),))) is None
    assert cache.get(Condition("price", (Comparison("lt", 999.0),))) is not None


def test_the_accounts_are_level_when_all_has_gone_round() -> None:
    cache = MaskCache(1)
    for index in range(100):
        cache.put(long_filter(index % 7), np.ones(index + 1, dtype=np.bool_))
    assert len(cache) == LEAST_MASKS
    assert cache.nbytes < (LEAST_MASKS + 1) * (100 + ENTRY_BYTES)


def test_filters_that_differ_have_other_keys() -> None:
    one, two = (Condition("price", (Comparison(operator, 1.0),)) for operator in ("lt", "lte"))
    text, number = (Condition("size", (Comparison("eq", value),)) for value in ("1.0", 1.0))
    listed = Condition("size", (Comparison("in", ("1.0",)),))
    lone = Condition("size", (Comparison("eq", "\ud800"),))  # no valid Unicode, as JSON may hold it
    filters = [one, two, text, number, listed, lone, Condition("all", ()), Every(()), Some(()), Without(one)]
    filters += [Every((one,)), Some((one,)), Every((one, two)), Every((two, one)), Without(Every((one, two)))]
    filters += [Every((Every((one,)), two)), Every((Every((one, two)),))]
    keys = [key_of(condition) for condition in filters]
    assert len(set(keys)) == len(filters)
    assert {len(key) for key in keys} == {16}
    assert key_of(Every((Condition("price", (Comparison("lt", 1.0),)),))) == key_of(Every((one,)))
