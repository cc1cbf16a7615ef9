"""Rates: so many requests a second of each key, of which one second's worth may come at once."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.api.rate_limit import RateLimit


class Clock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_one_seconds_worth_goes_at_once_and_the_next_waits() -> None:
    clock = Clock()
    rate = RateLimit(5, clock)
    assert [rate.take(b"a") for _ in range(5)] == [0.0] * 5
    assert rate.take(b"a") == pytest.approx(0.2)


def test_whoever_waits_as_long_as_told_goes() -> None:
    clock = Clock()
    rate = RateLimit(4, clock)
    for _ in range(4):
        rate.take(b"a")
    clock.now += rate.take(b"a")
    assert rate.take(b"a") == 0.0
    assert rate.take(b"a") > 0.0


def test_keys_do_not_use_up_each_others_share() -> None:
    rate = RateLimit(1, Clock())
    assert rate.take(b"a") == 0.0
    assert rate.take(b"a") > 0.0
    assert rate.take(b"b") == 0.0


def test_a_rate_below_one_a_second_lets_one_through_at_a_time() -> None:
    clock = Clock()
    rate = RateLimit(0.1, clock)
    assert rate.take(b"a") == 0.0
    assert rate.take(b"a") == pytest.approx(10.0)
    clock.now += 3_600.0  # an idle hour saves up no more than one
    assert rate.take(b"a") == 0.0
    assert rate.take(b"a") > 0.0


def test_without_a_rate_nobody_waits() -> None:
    rate = RateLimit(0, Clock())
    assert {rate.take(b"a") for _ in range(10_000)} == {0.0}


@settings(deadline=None)  # the machine may be busy
@given(
    per_second=st.floats(0.1, 50), gaps=st.lists(st.floats(0, 3), min_size=1, max_size=200)
)  # fmt: skip
def test_over_any_stretch_of_time_no_more_go_than_the_rate_and_one_seconds_worth(
    per_second: float, gaps: list[float]
) -> None:
    clock = Clock()
    rate = RateLimit(per_second, clock)
    went = []
    for gap in gaps:
        clock.now += gap
        if rate.take(b"a") == 0.0:
            went.append(clock.now)
    for first, start in enumerate(went):
        for last in range(first, len(went)):
            most = max(1.0, per_second) + (went[last] - start) * per_second
            assert last - first + 1 <= most + 1e-6
