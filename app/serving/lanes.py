"""Threads that work for the event loop, in lanes: what is cheap never stands behind what is dear.

The loop itself does nothing that takes long: it reads, hands over and writes. A thread knows nothing of asyncio: it
gets a function without arguments, and its outcome goes back by `call_soon_threadsafe`.
"""

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Thread
from typing import Any, Final, TypeVar

SWITCH_S: Final = 0.0005
"""Seconds after which a thread that runs Python lets another one run: the loop wants to, some times a request."""

ResultT = TypeVar("ResultT")


@dataclass(slots=True, eq=False)
class _Job:
    """One function on its way; only the loop touches `future`."""

    work: Callable[[], Any]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    is_dropped: bool = False  # set by the loop, read by the thread before it begins


class Lane:
    """Threads that take jobs in the order in which they were given.

    Args:
        name: of the threads, for whoever looks at the process.
        threads: how many jobs are worked on at once.
    """

    def __init__(self, name: str, threads: int = 1) -> None:
        self.threads: Final = threads
        self._name = name
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._running: list[Thread] = []
        self._given = 0

    @property
    def is_idle(self) -> bool:
        """Whether nobody waits for anything that was given; a thread may still work on what was cancelled."""
        return not self._given

    async def run(self, work: Callable[[], ResultT]) -> ResultT:
        """The outcome of `work`, done in a thread. When the caller is cancelled, work that has not begun never does.

        Raises:
            Exception: whatever `work` raised.
        """
        if not self._running:
            self._start()
        loop = asyncio.get_running_loop()
        job = _Job(work, loop, loop.create_future())
        self._given += 1
        self._jobs.put(job)
        try:
            outcome: ResultT = await job.future
        except asyncio.CancelledError:
            job.is_dropped = True
            raise
        finally:
            self._given -= 1
            del job  # else what the work raised holds this frame, and through it itself, until garbage is collected
        return outcome

    async def close(self) -> None:
        """Wait until all that was given is done. A later `run` starts the threads anew."""
        threads, self._running = self._running, []
        jobs, self._jobs = self._jobs, SimpleQueue()  # threads that are started anew do not take the word to end
        for _ in threads:
            jobs.put(None)
        for thread in threads:
            await asyncio.to_thread(thread.join)

    def _start(self) -> None:
        sys.setswitchinterval(min(SWITCH_S, sys.getswitchinterval()))
        for number in range(self.threads):
            thread = Thread(target=_work_on, args=(self._jobs,), name=f"aisle-{self._name}-{number}", daemon=True)
            self._running.append(thread)
            thread.start()


def _work_on(jobs: "SimpleQueue[_Job | None]") -> None:
    """The life of a thread."""
    while (job := jobs.get()) is not None:
        if not job.is_dropped:
            _do(job)
        del job  # an idle thread keeps no release in memory


def _do(job: _Job) -> None:
    outcome, error = None, None
    try:
        outcome = job.work()
    except BaseException as raised:
        error = raised
    try:
        job.loop.call_soon_threadsafe(_settle, job.future, outcome, error)
    except RuntimeError:  # the loop is closed: nobody waits any more
        return
    finally:
        del job, outcome, error  # as in `run`


def _settle(future: asyncio.Future[Any], outcome: Any, error: BaseException | None) -> None:
    if future.done():  # whoever waited is gone
        return
    if error is None:
        future.set_result(outcome)
    else:
        future.set_exception(error)


@dataclass(frozen=True)
class Lanes:
    """The threads of a service."""

    engine: Lane = field(default_factory=lambda: Lane("engine"))  # runs of cheap calls
    dear: Lane = field(default_factory=lambda: Lane("dear"))  # runs of calls that take long
    wire: Lane = field(default_factory=lambda: Lane("wire"))  # large documents are read and written

    async def close(self) -> None:
        """Wait for all of them."""
        for lane in (self.engine, self.dear, self.wire):
            await lane.close()
