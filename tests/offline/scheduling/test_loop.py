"""The schedule on a clock of its own: when rounds are played, what each is to do, and what is remembered."""

import fcntl
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from app.stores.redis_link import RedisAddress
from offline.errors import FolderInUse, RunFolderError
from offline.scheduling.loop import FIRST_RETRY_S, LOCK_FILE, Timing, run_schedule
from offline.scheduling.plan import Outcome, Plan, ScheduleConfig
from offline.scheduling.state import STATE_FILE, read_state

DAY = 86_400.0
START = 1_700_000_000.0

WARM = {"training": {"start": {"warm": True}}}
PUBLISHED = Outcome("published", version="v", data="d")
SKIPPED = Outcome("skipped", "no new events")
UNREACHABLE = Outcome("failed", "redis://x: it cannot be reached")
REFUSED = Outcome("failed", "v is not published", is_afresh=True)
STOPPED = Outcome("stopped", "stopped")


class Days:
    """A clock that only waiting and rounds move; rounds that take `takes_s` each and end as given."""

    def __init__(self, *outcomes: Outcome, takes_s: float = 600.0, out: Path | None = None) -> None:
        self.now = START
        self.began: list[float] = []
        self.plans: list[Plan] = []
        self.lines: list[dict[str, Any]] = []
        self._left = list(outcomes)
        self._takes_s = takes_s
        self._out = out

    def play(self, plan: Plan, collected: Callable[[], None]) -> Outcome:
        self.began.append(self.now)
        self.plans.append(plan)
        collected()
        if self._out is not None:
            (self._out / f"{plan.number:06d}").mkdir(exist_ok=True)
        self.now += self._takes_s
        return self._left.pop(0)

    def wait(self, seconds: float) -> bool:
        self.now += seconds
        return not self._left

    def run(self, out: Path, every_s: float = DAY, **timing: Any) -> bool:
        config = ScheduleConfig(RedisAddress("redis://x"), "ai:", out.parent / "logs", out)
        return run_schedule(
            config,
            Timing(every_s, **timing),
            self.play,
            clock=lambda: self.now,
            wait=self.wait,
            write=lambda line: self.lines.append(json.loads(line)),
        )


def waits(times: Sequence[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(times)]


def test_rounds_begin_an_interval_apart_and_are_numbered(tmp_path: Path) -> None:
    days = Days(PUBLISHED, PUBLISHED, SKIPPED, PUBLISHED)
    assert days.run(tmp_path / "runs")
    assert waits(days.began) == [DAY] * 3
    assert [plan.number for plan in days.plans] == [1, 2, 3, 3]  # nothing was made in the skipped one
    assert [plan.warm_from for plan in days.plans] == [None, 1, 2, 2]
    assert [plan.trained_on for plan in days.plans] == [None, "d", "d", "d"]
    assert [line["status"] for line in days.lines] == ["published", "published", "skipped", "published"]
    assert {"round", "status", "reason", "version", "minutes", "next_at"} <= days.lines[0].keys()


def test_a_round_longer_than_the_interval_delays_the_next_one(tmp_path: Path) -> None:
    days = Days(PUBLISHED, PUBLISHED, PUBLISHED, takes_s=2.5 * DAY)
    days.run(tmp_path / "runs")
    assert waits(days.began) == [2.5 * DAY] * 2


def test_a_failure_is_tried_again_in_its_folder_with_longer_and_longer_waits(tmp_path: Path) -> None:
    days = Days(UNREACHABLE, UNREACHABLE, PUBLISHED, PUBLISHED)
    assert not days.run(tmp_path / "runs")
    assert waits(days.began) == [600 + FIRST_RETRY_S, 600 + 2 * FIRST_RETRY_S, DAY]
    assert [plan.number for plan in days.plans] == [1, 1, 1, 2]
    assert [plan.is_collected for plan in days.plans] == [False, True, True, False]
    assert [line["failed_in_row"] for line in days.lines] == [1, 2, 0, 0]
    assert days.lines[0]["reason"] == UNREACHABLE.reason
    assert read_state(tmp_path / "runs").failed == 2


def test_waits_after_failures_never_grow_beyond_the_interval(tmp_path: Path) -> None:
    days = Days(*[UNREACHABLE] * 40)
    days.run(tmp_path / "runs", every_s=3_600.0)
    assert max(waits(days.began)) == 3_600.0


def test_what_would_fail_again_begins_afresh_and_cold(tmp_path: Path) -> None:
    days = Days(PUBLISHED, REFUSED, REFUSED, PUBLISHED)
    days.run(tmp_path / "runs")
    assert [plan.number for plan in days.plans] == [1, 2, 3, 4]
    assert [plan.warm_from for plan in days.plans] == [None, 1, None, None]
    assert [plan.is_collected for plan in days.plans] == [False] * 4
    assert waits(days.began) == [DAY, 600 + FIRST_RETRY_S, DAY]  # cold already: only new events can help
    assert days.lines[1]["version"] == "v"  # the one before stays


def test_every_so_many_rounds_begin_cold(tmp_path: Path) -> None:
    days = Days(PUBLISHED, *[replace(PUBLISHED, details=WARM)] * 2, PUBLISHED, replace(PUBLISHED, details=WARM))
    days.run(tmp_path / "runs", cold_every=3)
    assert [plan.warm_from for plan in days.plans] == [None, 1, 2, None, 4]


def test_a_restart_knows_when_the_next_round_is_due(tmp_path: Path) -> None:
    out = tmp_path / "runs"
    Days(PUBLISHED).run(out)
    later = Days(PUBLISHED)
    later.now = START + 1_000
    later.run(out)
    assert later.began == [START + DAY]


@pytest.mark.parametrize("every_s", [600.0, 7 * DAY])
def test_an_interval_that_is_changed_counts_from_the_last_round(tmp_path: Path, every_s: float) -> None:
    out = tmp_path / "runs"
    Days(PUBLISHED).run(out, is_once=True)
    later = Days(PUBLISHED, takes_s=0.0)
    later.now = START + 60
    later.run(out, every_s)
    assert later.began == [START + every_s]


def test_a_failed_round_is_not_put_off_by_a_longer_interval(tmp_path: Path) -> None:
    out = tmp_path / "runs"
    Days(UNREACHABLE).run(out, is_once=True)
    later = Days(PUBLISHED)
    later.now = START + 600
    later.run(out, 7 * DAY)
    assert later.began == [START + 600 + FIRST_RETRY_S]


def test_a_stopped_round_goes_on_at_the_next_start(tmp_path: Path) -> None:
    out = tmp_path / "runs"
    stopped = Days(STOPPED, PUBLISHED)
    assert stopped.run(out)
    assert len(stopped.began) == 1
    later = Days(PUBLISHED)
    later.now = stopped.now + 5
    later.run(out)
    assert later.began == [stopped.now + 5]
    assert (later.plans[0].number, later.plans[0].is_collected) == (1, True)


@pytest.mark.parametrize(("outcome", "is_well"), [(PUBLISHED, True), (SKIPPED, True), (UNREACHABLE, False)])
def test_once_plays_one_round_whether_due_or_not(tmp_path: Path, outcome: Outcome, is_well: bool) -> None:
    out = tmp_path / "runs"
    Days(PUBLISHED).run(out)
    days = Days(outcome, PUBLISHED)
    assert days.run(out, is_once=True) == is_well
    assert days.began == [START]


def test_old_rounds_are_removed_but_not_the_one_published_last(tmp_path: Path) -> None:
    out = tmp_path / "runs"
    days = Days(PUBLISHED, PUBLISHED, *[REFUSED] * 5, out=out)
    days.run(out)
    assert sorted(path.name for path in out.iterdir() if path.is_dir()) == ["000002", "000005", "000006", "000007"]


def test_a_second_schedule_and_a_folder_of_something_else_are_refused(tmp_path: Path) -> None:
    out = tmp_path / "runs"
    out.mkdir()
    with (out / LOCK_FILE).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(FolderInUse, match="another schedule is at work"):
            Days(PUBLISHED).run(out)
        one = Days(PUBLISHED)
        assert one.run(out, is_once=True)
        assert (one.began, one.lines[0]["status"]) == ([], "skipped")
        assert "another schedule is at work" in one.lines[0]["reason"]
    other = tmp_path / "other"
    other.mkdir()
    (other / "letters.txt").touch()
    with pytest.raises(RunFolderError, match="got other files"):
        Days(PUBLISHED).run(other)


@pytest.mark.parametrize("content", ["", "[]", '{"open": null, "surprise": 1}'])
def test_a_state_that_is_not_ours_is_said_so(tmp_path: Path, content: str) -> None:
    (tmp_path / STATE_FILE).write_text(content)
    with pytest.raises(RunFolderError, match="delete it to begin anew"):
        read_state(tmp_path)
