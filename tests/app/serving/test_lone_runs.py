"""Lone calls: on the loop once they were short for long enough, else in a thread; the time is a clock's of the test."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from app.serving import lone_runs
from app.serving.lanes import Lane
from app.serving.lone_runs import IN_A_ROW, SHORT_S, SHORT_US, LoneRuns

WITHIN_S = 20


class Clock:
    """Stands still, but for work that says how long it takes."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def thread_after(self, seconds: float) -> Callable[[], int]:
        """Work that takes so many seconds and tells its thread."""

        def work() -> int:
            self.now += seconds
            return threading.get_ident()

        return work


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(lone_runs, "perf_counter", clock)
    return clock


def running(body: Callable[[Lane, LoneRuns], Any]) -> None:
    async def whole() -> None:
        lane = Lane("test")
        await body(lane, LoneRuns())
        await lane.close()

    asyncio.run(asyncio.wait_for(whole(), WITHIN_S))


async def on_the_loop(runs: LoneRuns, lane: Lane, clock: Clock, times: int, cost: float = 0.0) -> list[bool]:
    """Whether each of so many short runs was the loop's."""
    threads = [await runs.run(lane, cost, clock.thread_after(SHORT_S / 2)) for _ in range(times)]
    return [thread == threading.get_ident() for thread in threads]


def test_the_loop_takes_a_run_on_once_so_many_were_short(clock: Clock) -> None:
    async def body(lane: Lane, runs: LoneRuns) -> None:
        assert await on_the_loop(runs, lane, clock, IN_A_ROW + 3) == [False] * IN_A_ROW + [True] * 3

    running(body)


def test_one_that_was_long_sends_all_of_its_kind_to_the_thread_until_they_are_short_again(clock: Clock) -> None:
    async def body(lane: Lane, runs: LoneRuns) -> None:
        other_kind = 600.0
        await on_the_loop(runs, lane, clock, IN_A_ROW)
        await on_the_loop(runs, lane, clock, IN_A_ROW, other_kind)
        assert await runs.run(lane, 0.0, clock.thread_after(SHORT_S * 2)) == threading.get_ident()
        assert await on_the_loop(runs, lane, clock, 1, other_kind) == [True]
        assert await on_the_loop(runs, lane, clock, IN_A_ROW + 1) == [False] * IN_A_ROW + [True]

    running(body)


def test_one_that_fails_counts_as_long_and_its_error_arrives(clock: Clock) -> None:
    async def body(lane: Lane, runs: LoneRuns) -> None:
        await on_the_loop(runs, lane, clock, IN_A_ROW)
        with pytest.raises(ZeroDivisionError):
            await runs.run(lane, 0.0, lambda: 1 // 0)
        assert await on_the_loop(runs, lane, clock, 1) == [False]

    running(body)


def test_what_costs_more_by_its_fields_always_goes_to_the_thread(clock: Clock) -> None:
    async def body(lane: Lane, runs: LoneRuns) -> None:
        assert not any(await on_the_loop(runs, lane, clock, IN_A_ROW + 3, float(SHORT_US)))

    running(body)


def test_no_run_is_the_loops_while_the_thread_works(clock: Clock) -> None:
    async def body(lane: Lane, runs: LoneRuns) -> None:
        await on_the_loop(runs, lane, clock, IN_A_ROW)
        may_end = threading.Event()
        busy = asyncio.create_task(lane.run(lambda: may_end.wait(WITHIN_S)))
        await asyncio.sleep(0)
        behind = asyncio.create_task(on_the_loop(runs, lane, clock, 1))
        await asyncio.sleep(0)
        may_end.set()
        assert await busy
        assert await behind == [False]
        assert await on_the_loop(runs, lane, clock, 1) == [True]

    running(body)
