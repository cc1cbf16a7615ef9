"""A limit of time does what `asyncio.timeout` does."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

import pytest

from app.time_limit import TimeLimit

Limit = Callable[[float], AbstractAsyncContextManager[Any]]


@asynccontextmanager
async def own(seconds: float) -> Any:
    with TimeLimit(seconds) as limit:
        yield limit


@pytest.fixture(params=[own, asyncio.timeout], ids=["own", "asyncio"])
def limit(request: pytest.FixtureRequest) -> Limit:
    of: Limit = request.param
    return of


async def outcome(work: Callable[[], Awaitable[Any]]) -> tuple[Any, int]:
    """What the task of `work` ends with, and how often it counts as cancelled then."""

    async def run() -> tuple[Any, int]:
        task = asyncio.current_task()
        assert task is not None
        try:
            result = await work()
        except (Exception, asyncio.CancelledError) as error:
            result = type(error).__name__
        return result, task.cancelling()

    return await asyncio.create_task(run())


def test_what_is_in_time_is_left_alone(limit: Limit) -> None:
    async def work() -> str:
        async with limit(30.0):
            await asyncio.sleep(0)
        return "in time"

    assert asyncio.run(outcome(work)) == ("in time", 0)


@pytest.mark.parametrize("seconds", [0.0, -1.0, 0.001])
def test_what_takes_longer_ends_with_a_timeout_and_the_task_goes_on(limit: Limit, seconds: float) -> None:
    async def work() -> str:
        with pytest.raises(TimeoutError):
            async with limit(seconds):
                await asyncio.Event().wait()
        await asyncio.sleep(0)  # nothing of it is left
        return "went on"

    assert asyncio.run(outcome(work)) == ("went on", 0)


def test_another_error_in_time_is_raised_as_it_is(limit: Limit) -> None:
    async def work() -> None:
        async with limit(30.0):
            raise KeyError

    assert asyncio.run(outcome(work)) == ("KeyError", 0)


def test_an_error_behind_the_end_is_raised_as_it_is(limit: Limit) -> None:
    async def work() -> None:
        async with limit(0.0):
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            raise KeyError

    assert asyncio.run(outcome(work)) == ("KeyError", 0)


def test_whoever_cancels_the_task_is_obeyed(limit: Limit) -> None:
    async def check() -> None:
        async def work() -> None:
            async with limit(30.0):
                await asyncio.Event().wait()

        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(check())


def test_whoever_cancels_the_task_as_its_time_ends_is_obeyed(limit: Limit) -> None:
    async def check() -> None:
        async def work() -> None:
            async with limit(0.0):
                task.get_loop().call_soon(task.cancel)
                await asyncio.Event().wait()

        task = asyncio.create_task(work())
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(check())


def test_of_two_limits_the_shorter_one_tells(limit: Limit) -> None:
    async def work() -> str:
        try:
            async with limit(30.0), limit(0.0):
                await asyncio.Event().wait()
        except TimeoutError:
            return "inner"
        return "none"

    async def around() -> str:
        try:
            async with limit(0.0), limit(30.0):
                await asyncio.Event().wait()
        except TimeoutError:
            return "outer"
        return "none"

    assert asyncio.run(outcome(work)) == ("inner", 0)
    assert asyncio.run(outcome(around)) == ("outer", 0)


def test_outside_of_a_task_there_is_none() -> None:
    async def check() -> None:
        entered: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def enter() -> None:
            try:
                with TimeLimit(1.0):
                    entered.set_result(None)
            except RuntimeError as error:
                entered.set_exception(error)

        asyncio.get_running_loop().call_soon(enter)
        with pytest.raises(RuntimeError, match="a time limit is for a task"):
            await entered

    asyncio.run(check())
