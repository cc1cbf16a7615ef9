"""Natural batching: what becomes ready in consecutive turns of the event loop is answered together.

Nothing waits on a clock: a group goes as soon as a turn brings nothing new, so that an idle service answers a lone
request two turns (some microseconds) after it came. While a group is being answered, requests gather in the sockets;
they are read a few at a time, and whoever took only those of the first turn would answer many small groups.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

CallT = TypeVar("CallT")
AnswerT = TypeVar("AnswerT")


class Batcher(Generic[CallT, AnswerT]):
    """Gathers calls and answers them in groups.

    Args:
        answer: answers a group, in its order.
        max_batch: the largest group.
    """

    def __init__(self, answer: Callable[[Sequence[CallT]], Awaitable[list[AnswerT]]], max_batch: int) -> None:
        self._answer = answer
        self._max_batch = max_batch
        self._waiting: list[tuple[CallT, asyncio.Future[AnswerT]]] = []
        self._running: set[asyncio.Task[None]] = set()  # the loop itself holds tasks only weakly
        self._scheduled = False
        self._seen = 0  # how many waited a turn ago

    async def submit(self, call: CallT) -> AnswerT:
        """The answer to `call`.

        Raises:
            whatever answering its group raised.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[AnswerT] = loop.create_future()
        self._waiting.append((call, future))
        if not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._start)
        return await future

    def _start(self) -> None:
        """Take what waits, up to the cap, unless the last turn brought more; what is left begins the next group."""
        loop = asyncio.get_running_loop()
        if self._seen < len(self._waiting) < self._max_batch:
            self._seen = len(self._waiting)
            loop.call_soon(self._start)
            return
        self._seen = 0
        group, self._waiting = self._waiting[: self._max_batch], self._waiting[self._max_batch :]
        self._scheduled = bool(self._waiting)
        if self._scheduled:
            loop.call_soon(self._start)
        futures = [future for _, future in group if not future.done()]
        task = loop.create_task(self._run([call for call, future in group if not future.done()], futures))
        self._running.add(task)
        task.add_done_callback(lambda done: self._finish(done, futures))

    async def _run(self, calls: list[CallT], futures: list[asyncio.Future[AnswerT]]) -> None:
        if not calls:
            return
        for future, answer in zip(futures, await self._answer(calls), strict=True):
            if not future.done():  # its client may have left meanwhile
                future.set_result(answer)

    def _finish(self, task: asyncio.Task[None], futures: list[asyncio.Future[AnswerT]]) -> None:
        self._running.discard(task)
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is None:
            return
        for future in futures:
            if not future.done():
                future.set_exception(error)
