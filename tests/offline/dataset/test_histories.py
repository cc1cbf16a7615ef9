"""Histories: each user's events in order, and the windows over them."""

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from offline.dataset.histories import Histories, histories_of

events = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 9), st.integers(1, 3), st.one_of(st.none(), st.floats(0, 1e9))),
    max_size=30,
)


def frame(rows: list[tuple[int, int, int, float | None]]) -> pl.DataFrame:
    placed = [(*row, place) for place, row in enumerate(rows)]
    types = {"user": pl.UInt32, "item": pl.UInt32, "type": pl.UInt8, "time": pl.Float64, "order": pl.Int32}
    return pl.DataFrame(placed, schema=types, orient="row")


@given(rows=events, window=st.integers(1, 8), seed=st.integers(0, 3))
def test_windows_hold_the_newest_events_of_each_user_at_the_right_end(
    rows: list[tuple[int, int, int, float | None]], window: int, seed: int
) -> None:
    shuffled = frame(rows).sample(fraction=1.0, shuffle=True, seed=seed)
    histories = histories_of(shuffled, 6)
    items, types, times = histories.windows(window)
    assert items.shape == types.shape == times.shape == (6, window)
    for user in range(6):
        mine = [row for row in rows if row[0] == user and row[1] > 0]
        newest = mine[-window:]
        empty = window - len(newest)
        assert histories.lengths[user] == len(mine)
        assert items[user].tolist() == [0] * empty + [row[1] for row in newest]
        assert types[user].tolist() == [0] * empty + [row[2] for row in newest]
        expected = [np.nan] * empty + [np.nan if row[3] is None else row[3] for row in newest]
        np.testing.assert_array_equal(times[user], expected)


def test_any_places_are_read_and_absent_ones_are_padding() -> None:
    histories = histories_of(frame([(0, 4, 1, 1.0), (0, 5, 2, 2.0), (1, 6, 3, 3.0)]), 2)
    place, present = np.array([[[0], [2]], [[1], [-7]]]), np.array([[[True], [True]], [[True], [False]]])
    rows, types, times = histories.take(place, present)
    assert rows.tolist() == [[[4], [6]], [[5], [0]]]
    assert types.tolist() == [[[1], [3]], [[2], [0]]]
    np.testing.assert_array_equal(times, [[[1.0], [3.0]], [[2.0], [np.nan]]])


def test_users_without_events_have_empty_windows() -> None:
    histories = histories_of(frame([]), 3)
    assert len(histories) == 3
    rows, types, times = histories.windows(4)
    assert not rows.any()
    assert not types.any()
    assert np.isnan(times).all()
    assert isinstance(histories, Histories)
