"""Threads that work for the loop: in order, for whoever still waits, and never on what belongs to asyncio."""

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from app.serving.lanes import Lane, Lanes

WITHIN_S = 20


class Gate:
    """Work that tells when it has begun, and ends when it may."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.may_end = threading.Event()

    def __call__(self) -> str:
        self.began.set()
        assert self.may_end.wait(WITHIN_S)
        return threading.current_thread().name


def running(body: Callable[[], Any]) -> None:
    asyncio.run(asyncio.wait_for(body(), WITHIN_S))


async def begun(gate: Gate) -> None:
    await asyncio.to_thread(gate.began.wait, WITHIN_S)


def test_work_is_done_in_a_thread_and_its_outcome_arrives_on_the_loop() -> None:
    async def body() -> None:
        lane = Lane("test")
        loop_thread = threading.get_ident()
        assert await lane.run(threading.get_ident) != loop_thread
        assert threading.get_ident() == loop_thread
        await lane.close()

    running(body)


def test_what_work_raises_arrives_and_the_lane_goes_on() -> None:
    async def body() -> None:
        lane = Lane("test")
        with pytest.raises(ZeroDivisionError):
            await lane.run(lambda: 1 // 0)
        assert await lane.run(lambda: 7) == 7
        await lane.close()

    running(body)


def test_what_comes_while_a_lane_closes_is_done_and_the_lane_still_closes() -> None:
    async def body() -> None:
        lane, gate = Lane("test"), Gate()
        first = asyncio.create_task(lane.run(gate))
        await begun(gate)
        closing = asyncio.create_task(lane.close())
        await asyncio.sleep(0)
        assert await lane.run(lambda: 7) == 7
        gate.may_end.set()
        await asyncio.gather(first, closing)
        await lane.close()

    running(body)


def test_one_thread_takes_jobs_in_their_order_and_two_take_two_at_once() -> None:
    async def body() -> None:
        done: list[int] = []
        lane, pair = Lane("one"), Lane("two", 2)
        await asyncio.gather(*(lane.run(lambda number=number: done.append(number)) for number in range(50)))
        assert done == list(range(50))
        gates = [Gate(), Gate()]
        tasks = [asyncio.create_task(pair.run(gate)) for gate in gates]
        for gate in gates:
            await begun(gate)
        for gate in gates:
            gate.may_end.set()
        assert len(set(await asyncio.gather(*tasks))) == 2
        await lane.close()
        await pair.close()

    running(body)


def test_what_nobody_waits_for_any_more_never_begins_and_the_others_do() -> None:
    async def body() -> None:
        lane, gate, done = Lane("test"), Gate(), []
        first = asyncio.create_task(lane.run(gate))
        await begun(gate)
        others = [asyncio.create_task(lane.run(lambda number=number: done.append(number))) for number in range(4)]
        await asyncio.sleep(0)
        others[1].cancel()
        others[2].cancel()
        await asyncio.wait(others[1:3])
        gate.may_end.set()
        await asyncio.gather(first, others[0], others[3])
        assert done == [0, 3]
        await lane.close()

    running(body)


def test_who_leaves_while_the_work_is_done_harms_nobody() -> None:
    async def body() -> None:
        lane, gate = Lane("test"), Gate()
        task = asyncio.create_task(lane.run(gate))
        await begun(gate)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        gate.may_end.set()
        assert await lane.run(lambda: 7) == 7
        await lane.close()

    running(body)


def test_a_lane_closes_when_all_is_done_and_opens_again() -> None:
    async def body() -> None:
        lane, gate = Lane("test"), Gate()
        task = asyncio.create_task(lane.run(gate))
        await begun(gate)
        closing = asyncio.create_task(lane.close())
        await asyncio.sleep(0)
        assert not closing.done()
        gate.may_end.set()
        name = await task
        await closing
        assert name not in {thread.name for thread in threading.enumerate()}
        assert await lane.run(lambda: 7) == 7
        await lane.close()

    running(body)


def test_a_lane_serves_one_loop_after_another() -> None:
    lane = Lane("test")

    async def body() -> None:
        assert await lane.run(lambda: 7) == 7

    running(body)
    running(body)
    running(lane.close)


def test_an_idle_thread_keeps_nothing_in_memory() -> None:
    class Large:
        pass

    async def body() -> None:
        lane, large = Lane("test"), Large()
        held = weakref.ref(large)
        await lane.run(lambda large=large: id(large))
        await lane.run(lambda: None)  # by now the thread has let go of the work before
        del large
        gc.collect()
        assert held() is None
        await lane.close()

    running(body)


def test_a_service_names_its_threads_by_what_they_do() -> None:
    async def body() -> None:
        lanes = Lanes()
        names = [
            await lane.run(lambda: threading.current_thread().name) for lane in (lanes.engine, lanes.dear, lanes.wire)
        ]
        assert names == ["aisle-engine-0", "aisle-dear-0", "aisle-wire-0"]
        await lanes.close()

    running(body)
