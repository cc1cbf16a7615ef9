"""What is popular counts people: nobody makes a thing popular alone."""

import numpy as np
import pytest

from app.artifact.behaviours import CART, PURCHASE, VIEW
from offline.dataset.histories import Histories
from offline.export.popularity import popularity, user_counts

NOW = 1_700_000_000.0


def made(*users: list[tuple[int, int, float]]) -> Histories:
    """Histories of some users: item row, behaviour, time."""
    events = [event for user in users for event in user]
    rows, types, times = zip(*events, strict=True) if events else ((), (), ())
    return Histories(
        np.cumsum([0, *map(len, users)]),
        np.array(rows, dtype=np.int32),
        np.array(types, dtype=np.uint8),
        np.array(times, dtype=np.float64),
    )


def test_six_thousand_views_of_a_robot_are_one() -> None:
    robot = [(1, VIEW, NOW)] * 6_000
    histories = made(robot, [(2, VIEW, NOW)], [(2, VIEW, NOW)], [(2, VIEW, NOW), (3, VIEW, NOW)])
    assert popularity(histories, 5).tolist() == pytest.approx([0, 1 / 3, 1, 1 / 3, 0])
    assert user_counts(histories, 5, VIEW).tolist() == [0, 1, 3, 1, 0]
    assert user_counts(histories, 5, CART).tolist() == [0] * 5


def test_of_what_a_user_did_with_an_item_the_most_counts() -> None:
    histories = made([(1, VIEW, NOW), (1, PURCHASE, NOW), (1, CART, NOW)], [(2, CART, NOW), (2, CART, NOW)])
    assert popularity(histories, 3).tolist() == pytest.approx([0, 1, 0.5])


def test_of_equal_events_the_newest_counts_and_without_times_all_are_alike() -> None:
    timed = made([(1, VIEW, NOW - 1_000), (1, VIEW, NOW)], [(2, VIEW, NOW - 1_000), (2, VIEW, NOW - 500)])
    first, second = popularity(timed, 3)[1:]
    assert first == 1
    assert second == pytest.approx(0.5**5)
    assert popularity(made([(1, VIEW, np.nan)], [(2, VIEW, np.nan)]), 3).tolist() == [0, 1, 1]


def test_nothing_is_popular_where_nothing_happened() -> None:
    assert popularity(made([], []), 4).tolist() == [0] * 4
    assert user_counts(made(), 4, VIEW).tolist() == [0] * 4
