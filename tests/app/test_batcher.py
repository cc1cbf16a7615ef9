"""Natural batching: groups of what is ready, in order, and never one call's trouble for another's."""

import asyncio
from collections.abc import Sequence

import pytest

from app.serving.batcher import Batcher


class Doubling:
    """Doubles numbers, slowly enough that others can gather; remembers its groups."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []

    async def __call__(self, calls: Sequence[int]) -> list[int]:
        self.groups.append(list(calls))
        await asyncio.sleep(0)
        return [2 * call for call in calls]


def test_calls_of_one_turn_go_together_in_their_order() -> None:
    async def run() -> None:
        double = Doubling()
        batcher = Batcher(double, 64)
        assert await asyncio.gather(*(batcher.submit(number) for number in range(10))) == [2 * n for n in range(10)]
        assert double.groups == [list(range(10))]

    asyncio.run(run())


def test_a_lone_call_does_not_wait_for_company() -> None:
    async def run() -> None:
        double = Doubling()
        batcher = Batcher(double, 64)
        for number in range(3):
            assert await batcher.submit(number) == 2 * number
        assert double.groups == [[0], [1], [2]]

    asyncio.run(run())


def test_calls_of_consecutive_turns_go_together_and_a_quiet_turn_ends_the_group() -> None:
    async def run() -> None:
        double = Doubling()
        batcher = Batcher(double, 64)
        tasks = []
        for number in range(5):
            tasks.append(asyncio.create_task(batcher.submit(number)))
            await asyncio.sleep(0)
        while not double.groups:
            await asyncio.sleep(0)
        tasks.append(asyncio.create_task(batcher.submit(5)))
        assert await asyncio.gather(*tasks) == [2 * number for number in range(6)]
        assert double.groups == [[0, 1, 2, 3, 4], [5]]

    asyncio.run(run())


@pytest.mark.parametrize(("count", "cap"), [(10, 4), (4, 4), (5, 1), (0, 3)])
def test_no_group_is_larger_than_the_cap(count: int, cap: int) -> None:
    async def run() -> None:
        double = Doubling()
        batcher = Batcher(double, cap)
        answers = await asyncio.gather(*(batcher.submit(number) for number in range(count)))
        assert answers == [2 * number for number in range(count)]
        assert [len(group) for group in double.groups] == [min(cap, count - at) for at in range(0, count, cap)]

    asyncio.run(run())


def test_a_caller_who_left_is_not_worked_for_and_harms_nobody() -> None:
    async def run() -> None:
        double = Doubling()
        batcher = Batcher(double, 64)
        tasks = [asyncio.create_task(batcher.submit(number)) for number in range(4)]
        await asyncio.sleep(0)  # all four wait now
        tasks[1].cancel()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert [answer for answer in answers if isinstance(answer, int)] == [0, 4, 6]
        assert isinstance(answers[1], asyncio.CancelledError)

    asyncio.run(run())


def test_a_failed_group_fails_its_own_calls_only() -> None:
    async def fail_on_seven(calls: Sequence[int]) -> list[int]:
        if 7 in calls:
            raise ValueError("seven")
        return list(calls)

    async def run() -> None:
        batcher = Batcher(fail_on_seven, 64)
        answers = await asyncio.gather(*(batcher.submit(number) for number in (6, 7)), return_exceptions=True)
        assert [str(answer) for answer in answers] == ["seven", "seven"]
        assert await batcher.submit(8) == 8

    asyncio.run(run())
