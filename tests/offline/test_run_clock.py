"""The clock of a run, on seconds that the test moves: shares, a stop in between, what is left."""

from itertools import pairwise
from pathlib import Path

import pytest

from offline.estimates import Sizes
from offline.job import STAGE_NAMES
from offline.run_clock import RunClock
from offline.workspace.budget import SHARES
from offline.workspace.run_folder import RunFolder

KEYS = {name: f"key of {name}" for name in STAGE_NAMES}


class Clock:
    def __init__(self) -> None:
        self.seconds = 50.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def now() -> Clock:
    return Clock()


def clock_of(path: Path, now: Clock, budget_s: float | None = 100.0, keys: dict[str, str] = KEYS) -> RunClock:
    return RunClock(RunFolder(path), keys, STAGE_NAMES, budget_s, now)


def play(clock: RunClock, path: Path, now: Clock, stage: str, seconds: float) -> None:
    with clock.stage(stage):
        now.seconds += seconds
    RunFolder(path).note(stage, {"key": KEYS[stage], "seconds": seconds, "results": {}})


def allowance_s(clock: RunClock, stage: str) -> float:
    with clock.stage(stage):
        seconds = clock.allowance().seconds
    assert seconds is not None
    return seconds


def test_shares_bound_four_stages_together_and_no_other(tmp_path: Path, now: Clock) -> None:
    clock = clock_of(tmp_path, now)
    play(clock, tmp_path, now, "graph", 1_000.0)
    with clock.stage("train"):
        assert clock.allowance().seconds == pytest.approx(100 * SHARES["train"])
        now.seconds += 10  # the others get what it leaves
    RunFolder(tmp_path).note("train", {"key": KEYS["train"], "seconds": 10.0, "results": {}})
    rest = 1 - SHARES["train"]
    with clock.stage("compress"):
        assert clock.allowance().seconds == pytest.approx(90 * SHARES["compress"] / rest)
        now.seconds += 20
    with clock.stage("export"):
        assert clock.allowance().seconds is None
        now.seconds += 1_000
    with clock.stage("refit"):
        assert clock.allowance().seconds == pytest.approx(70.0)
        now.seconds += 70
    assert clock.bounded_s() == pytest.approx(100.0)
    assert clock.elapsed_s() == pytest.approx(2_100.0)


def test_a_stopped_stage_goes_on_with_what_is_left_of_its_share(tmp_path: Path, now: Clock) -> None:
    clock = clock_of(tmp_path, now)
    before = allowance_s(clock, "train")

    def work() -> None:
        with clock.stage("train"):
            now.seconds += 30
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    now.seconds += 10_000  # a night
    again = clock_of(tmp_path, now)
    assert again.elapsed_s() == 0.0
    with again.stage("train"):
        allowance = again.allowance()
        assert allowance.seconds == before
        assert allowance.used() == pytest.approx(30.0)
        now.seconds += 5
        assert again.seconds() == pytest.approx(35.0)
        assert again.elapsed_s() == pytest.approx(35.0)
    assert not RunFolder(tmp_path).spent.exists()
    other = clock_of(tmp_path, now, keys=KEYS | {"train": "another"})
    with other.stage("train"):
        assert other.seconds() == 0.0


def test_a_stage_done_anew_begins_at_nothing(tmp_path: Path, now: Clock) -> None:
    play(clock_of(tmp_path, now), tmp_path, now, "train", 30.0)
    clock = RunClock(RunFolder(tmp_path), KEYS, ["train"], 60.0, now)
    with clock.stage("train", again=True):
        assert clock.allowance().seconds == 60.0
        assert clock.seconds() == 0.0


def test_what_is_left_shrinks_and_ends_at_nothing(tmp_path: Path, now: Clock) -> None:
    clock = clock_of(tmp_path, now, budget_s=None)
    assert clock.left_s() is None
    clock.know(Sizes(events=100_000, items=10_000, users=5_000))
    left = [clock.left_s()]
    for stage in STAGE_NAMES:
        play(clock, tmp_path, now, stage, 3.0)
        left.append(clock.left_s())
    assert all(later <= earlier for earlier, later in pairwise(left[3:]))
    assert left[-1] == 0.0


def test_a_budget_bounds_what_is_left(tmp_path: Path, now: Clock) -> None:
    clock = clock_of(tmp_path, now, budget_s=60.0)
    clock.know(Sizes(events=10_000_000, items=100_000, users=1_000_000))
    assert clock.left_s() == pytest.approx(60.0 + clock.on_top_s())
    assert clock.least_s() > 60.0
    with clock.stage("train"):
        now.seconds += 20
        assert clock.left_s() == pytest.approx(40.0 + clock.on_top_s())
