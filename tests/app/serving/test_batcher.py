"""Natural batching: groups of what is ready, in order, and never one call's trouble for another's."""

import asyncio
import time
from collections.abc import Sequence

import pytest

from app.errors import Overloaded
from app.serving.batcher import CHECK_AFTER_S, Batcher, HasLeft
from app.serving.call import ClientDisconnected


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
        batcher = Batcher(double, 64, 1000)
        assert await asyncio.gather(*(batcher.submit(number) for number in range(10))) == [2 * n for n in range(10)]
        assert double.groups == [list(range(10))]

    asyncio.run(run())


def test_a_lone_call_does_not_wait_for_company() -> None:
    async def run() -> None:
        double = Doubling()
        batcher = Batcher(double, 64, 1000)
        for number in range(3):
            assert await batcher.submit(number) == 2 * number
        assert double.groups == [[0], [1], [2]]

    asyncio.run(run())


def test_calls_of_consecutive_turns_go_together_and_a_quiet_turn_ends_the_group() -> None:
    async def run() -> None:
        double = Doubling()
        batcher = Batcher(double, 64, 1000)
        waiting = []
        for number in range(5):
            waiting.append(batcher.submit(number))
            await asyncio.sleep(0)
        while not double.groups:
            await asyncio.sleep(0)
        waiting.append(batcher.submit(5))
        assert await asyncio.gather(*waiting) == [2 * number for number in range(6)]
        assert double.groups == [[0, 1, 2, 3, 4], [5]]

    asyncio.run(run())


@pytest.mark.parametrize(("count", "cap"), [(10, 4), (4, 4), (5, 1), (0, 3)])
def test_no_group_is_larger_than_the_cap(count: int, cap: int) -> None:
    async def run() -> None:
        double = Doubling()
        batcher = Batcher(double, cap, 1000)
        answers = await asyncio.gather(*(batcher.submit(number) for number in range(count)))
        assert answers == [2 * number for number in range(count)]
        assert [len(group) for group in double.groups] == [min(cap, count - at) for at in range(0, count, cap)]

    asyncio.run(run())


def test_a_caller_who_left_is_not_worked_for_and_harms_nobody() -> None:
    async def run() -> None:
        double = Doubling()
        batcher = Batcher(double, 64, 1000)
        waiting = [batcher.submit(number) for number in range(4)]
        waiting[1].cancel()
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        assert [answer for answer in answers if isinstance(answer, int)] == [0, 4, 6]
        assert isinstance(answers[1], asyncio.CancelledError)
        assert double.groups == [[0, 2, 3]]

    asyncio.run(run())


def test_of_a_failed_group_only_the_call_fails_that_fails_alone(caplog: pytest.LogCaptureFixture) -> None:
    groups: list[list[int]] = []

    async def fail_on_seven(calls: Sequence[int]) -> list[int]:
        groups.append(list(calls))
        await asyncio.sleep(0)
        if 7 in calls:
            raise ValueError("seven")
        return [2 * call for call in calls]

    async def run() -> None:
        batcher = Batcher(fail_on_seven, 64, 1000)
        answers = await asyncio.gather(*(batcher.submit(number) for number in (6, 7, 8)), return_exceptions=True)
        assert [answers[0], answers[2]] == [12, 16]
        assert isinstance(answers[1], ValueError)
        assert groups == [[6, 7, 8], [6], [7], [8]]
        assert batcher.pending == 0
        assert await batcher.submit(9) == 18

    asyncio.run(run())
    assert [record.message for record in caplog.records] == ["a run failed; each of its requests is answered alone"]
    assert (caplog.records[0].requests, caplog.records[0].error) == (3, "ValueError")  # type: ignore[attr-defined]


def test_a_call_that_fails_alone_is_not_tried_twice() -> None:
    tried: list[int] = []

    async def fail(calls: Sequence[int]) -> list[int]:
        tried.extend(calls)
        raise ValueError("always")

    async def run() -> None:
        with pytest.raises(ValueError, match="always"):
            await Batcher(fail, 64, 1000).submit(1)

    asyncio.run(run())
    assert tried == [1]


def test_who_leaves_while_a_failed_group_is_answered_alone_is_not_worked_for() -> None:
    tried: list[list[int]] = []

    async def fail_together(calls: Sequence[int]) -> list[int]:
        tried.append(list(calls))
        if len(calls) > 1:
            raise ValueError("together")
        if calls == [0]:
            waiting[1].cancel()
        return list(calls)

    waiting: list[asyncio.Future[int]] = []

    async def run() -> None:
        batcher = Batcher(fail_together, 64, 1000)
        waiting.extend(batcher.submit(number) for number in range(3))
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        assert [answers[0], answers[2]] == [0, 2]
        assert isinstance(answers[1], asyncio.CancelledError)
        assert tried == [[0, 1, 2], [0], [2]]

    asyncio.run(run())


def test_a_group_holds_no_more_than_may_be_spent_and_one_dear_call_goes_alone() -> None:
    async def run() -> None:
        double = Doubling()
        batcher = Batcher(double, 64, 1000, max_cost=10.0)
        costs = [4.0, 6.0, 1.0, 50.0, 0.0, 9.0, 2.0]
        waiting = [batcher.submit(number, cost=cost) for number, cost in enumerate(costs)]
        assert await asyncio.gather(*waiting) == [2 * number for number in range(len(costs))]
        assert double.groups == [[0, 1], [2], [3], [4, 5], [6]]

    asyncio.run(run())


def test_more_than_may_wait_are_refused_until_some_are_answered() -> None:
    async def run() -> None:
        double = Doubling()
        batcher = Batcher(double, 2, 3)
        waiting = [batcher.submit(number) for number in range(3)]
        assert batcher.pending == 3
        with pytest.raises(Overloaded, match="3 requests wait"):
            batcher.submit(3)
        assert await asyncio.gather(*waiting) == [0, 2, 4]
        await asyncio.sleep(0)
        assert batcher.pending == 0
        assert await batcher.submit(4) == 8

    asyncio.run(run())


def test_who_waited_long_is_asked_whether_it_is_still_there_and_who_did_not_is_not() -> None:
    async def run() -> None:
        double = Doubling()
        batcher = Batcher(double, 64, 1000)
        asked: list[int] = []

        def gone(number: int, *, has_left: bool) -> HasLeft:
            async def tell() -> bool:
                asked.append(number)
                return has_left

            return tell

        assert await batcher.submit(0, gone(0, has_left=True)) == 0
        assert asked == []
        waiting = [batcher.submit(number, gone(number, has_left=number == 2)) for number in (1, 2, 3)]
        busy_until = time.monotonic() + 2 * CHECK_AFTER_S
        while time.monotonic() < busy_until:  # the loop is kept from answering, as by a long run
            pass
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        assert asked == [1, 2, 3]
        assert [answers[0], answers[2]] == [2, 6]
        assert isinstance(answers[1], ClientDisconnected)
        assert double.groups == [[0], [1, 3]]

    asyncio.run(run())


def test_two_groups_are_under_way_and_the_rest_gathers() -> None:
    async def run() -> None:
        gate = asyncio.Event()
        groups: list[list[int]] = []

        async def wait(calls: Sequence[int]) -> list[int]:
            groups.append(list(calls))
            await gate.wait()
            return list(calls)

        batcher = Batcher(wait, 64, 1000)
        waiting = []
        for number in range(6):
            waiting.append(batcher.submit(number))
            for _ in range(5):
                await asyncio.sleep(0)
        assert groups == [[0], [1]]
        gate.set()
        assert await asyncio.gather(*waiting) == list(range(6))
        assert groups == [[0], [1], [2, 3, 4, 5]]

    asyncio.run(run())
