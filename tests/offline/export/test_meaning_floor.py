"""From which cosine on meaning finds an item that lacks the words."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from offline.export.meaning_floor import LEAST_PAIRS, floor_of, lacks_what_tells_apart, largest_first


def test_the_floor_is_where_items_without_the_words_are_right_as_often_as_those_with_them() -> None:
    cosines = np.linspace(1, 0, 10 * LEAST_PAIRS, dtype=np.float32)
    is_right = np.arange(len(cosines)) < 3 * LEAST_PAIRS
    floor = floor_of(0.6, cosines, is_right)
    assert floor is not None
    assert (cosines >= floor).sum() in {3 * LEAST_PAIRS, 3 * LEAST_PAIRS - 1}
    assert floor_of(0.6, cosines, ~is_right) is None
    assert floor_of(1.0, cosines[: LEAST_PAIRS // 2], is_right[: LEAST_PAIRS // 2]) is None  # too few to tell


def test_an_item_that_lacks_what_its_kind_is_told_apart_by_is_not_right() -> None:
    boots = np.array([False, True, True, True, True, False])
    black, winter, oxblood = (np.array(rows, dtype=np.int32) for rows in ([1, 2, 5], [1, 2, 3], [1]))
    lacks = lacks_what_tells_apart([black, winter, oxblood], boots, 1)
    assert np.flatnonzero(lacks & boots).tolist() == [3, 4]  # brown, and neither of winter; nobody else says oxblood
    assert not lacks_what_tells_apart([oxblood], boots, 1).any()


@given(st.lists(st.integers(-3, 3), max_size=30), st.integers(1, 12))
def test_the_largest_values_come_first_and_the_first_of_equal_ones(values: list[int], count: int) -> None:
    of_all = np.array(values, dtype=np.float32)
    assert largest_first(of_all, count).tolist() == np.argsort(-of_all, kind="stable")[:count].tolist()
