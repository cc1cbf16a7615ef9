"""Seconds on a clock that the test moves."""

import math

import pytest

from offline.workspace.budget import SHARES, Allowance, share_of


class Clock:
    """Seconds that go by as the test says."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_an_allowance_counts_what_was_spent_before() -> None:
    clock = Clock()
    allowance = Allowance.of(40.0, used=10.0, now=clock)
    clock.seconds += 10
    assert (allowance.used(), allowance.share(), allowance.left()) == (20.0, 0.5, 20.0)
    assert allowance.fits(20.0)
    assert not allowance.fits(20.1)
    sooner, part = allowance.sooner(20.0), allowance.part(0.5)
    assert sooner.is_spent()
    assert (part.seconds, part.used()) == (10.0, 0.0)
    clock.seconds += 30
    assert (allowance.left(), allowance.share()) == (0.0, 1.25)


def test_without_seconds_nothing_ends() -> None:
    allowance = Allowance.of(None)
    assert (allowance.left(), allowance.share()) == (math.inf, 0.0)
    assert allowance.sooner(1e9) is allowance
    assert not allowance.part(0.1).is_spent()


def test_what_a_stage_leaves_goes_to_those_after_it() -> None:
    later = dict.fromkeys(["compress", "rank", "refit"])
    assert sum(SHARES.values()) == pytest.approx(1)
    assert share_of("train", 100.0, later) == pytest.approx(100 * SHARES["train"])
    assert share_of("compress", 90.0, dict.fromkeys(["rank", "refit"])) == pytest.approx(
        90 * SHARES["compress"] / (1 - SHARES["train"])
    )
    assert share_of("refit", 33.0, {}) == 33.0


def test_a_later_stage_gets_no_less_than_it_needs_and_no_more_than_it_can_use() -> None:
    assert share_of("rank", 40.0, {"refit": (30.0, 50.0)}) == 10.0
    assert share_of("rank", 40.0, {"refit": (1.0, 2.0)}) == 38.0
    assert share_of("rank", 40.0, {"refit": (400.0, 500.0)}) == 4.0  # a tenth at least


def test_what_one_stage_needs_beyond_its_share_all_others_give() -> None:
    later = {"compress": (1.0, 100.0), "rank": (55.0, 90.0), "refit": (2.0, 100.0)}
    others = SHARES["train"] + SHARES["compress"] + SHARES["refit"]
    assert share_of("train", 100.0, later) == pytest.approx(45.0 * SHARES["train"] / others)
    later["compress"] = (6.0, 100.0)  # more than its share of what is left then
    assert share_of("train", 100.0, later) == pytest.approx(39.0 * SHARES["train"] / (others - SHARES["compress"]))
