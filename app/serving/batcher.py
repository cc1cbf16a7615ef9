"""Natural batching: what becomes ready in consecutive turns of the event loop is answered together.

Nothing waits on a clock: a group goes as soon as a turn brings nothing new, so that an idle service answers a lone
request two turns (some microseconds) after it came. While a group is being answered, requests gather in the sockets;
they are read a few at a time, and whoever took only those of the first turn would answer many small groups. Two groups
may be under way, so that one is worked out while the store is asked for the other; what comes meanwhile gathers.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from app.errors import Overloaded
from app.serving.call import ClientLeft

MAX_GROUPS: Final = 2  # under way at once
ASK_AFTER_S: Final = 0.02  # whoever waited longer is asked whether it is still there before it is worked for

CallT = TypeVar("CallT")
AnswerT = TypeVar("AnswerT")
IsGone = Callable[[], Awaitable[bool]]


@dataclass(slots=True)
class _Waiting(Generic[CallT, AnswerT]):
    call: CallT
    answer: asyncio.Future[AnswerT]
    since: float  # on the loop's clock
    is_gone: IsGone | None


class Batcher(Generic[CallT, AnswerT]):
    """Gathers calls and answers them in groups.

    Args:
        answer: answers a group, in its order.
        max_batch: the largest group.
        max_pending: calls that may wait or be under way; more are refused.
    """

    def __init__(
        self, answer: Callable[[Sequence[CallT]], Awaitable[list[AnswerT]]], max_batch: int, max_pending: int
    ) -> None:
        self._answer = answer
        self._max_batch = max_batch
        self._max_pending = max_pending
        self._waiting: list[_Waiting[CallT, AnswerT]] = []
        self._running: set[asyncio.Task[None]] = set()  # the loop itself holds tasks only weakly
        self._under_way = 0
        self._scheduled = False
        self._seen = 0  # how many waited a turn ago

    @property
    def pending(self) -> int:
        """Calls that wait or are under way."""
        return len(self._waiting) + self._under_way

    def submit(self, call: CallT, is_gone: IsGone | None = None) -> asyncio.Future[AnswerT]:
        """The answer to come. Whoever gives it a result before its group goes takes the call back.

        It ends with whatever answering its group raised, or with `ClientLeft`.

        Args:
            call: to answer.
            is_gone: tells whether nobody waits for the answer any more.

        Raises:
            Overloaded: too many wait already.
        """
        if self.pending >= self._max_pending:
            raise Overloaded(f"{self._max_pending} requests wait already: send it again in a second, or ask less often")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[AnswerT] = loop.create_future()
        self._waiting.append(_Waiting(call, future, loop.time(), is_gone))
        self._schedule(loop)
        return future

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._waiting and not self._scheduled and len(self._running) < MAX_GROUPS:
            self._scheduled = True
            loop.call_soon(self._start)

    def _start(self) -> None:
        """Take what waits, up to the cap, unless the last turn brought more; what is left begins the next group."""
        loop = asyncio.get_running_loop()
        if self._seen < len(self._waiting) < self._max_batch:
            self._seen = len(self._waiting)
            loop.call_soon(self._start)
            return
        self._seen = 0
        group, self._waiting = self._waiting[: self._max_batch], self._waiting[self._max_batch :]
        self._scheduled = False
        self._under_way += len(group)
        task = loop.create_task(self._run(group))
        self._running.add(task)
        task.add_done_callback(lambda done: self._finish(done, group))
        self._schedule(loop)

    async def _run(self, group: Sequence[_Waiting[CallT, AnswerT]]) -> None:
        wanted = [each for each in group if not each.answer.done()]
        oldest_allowed = asyncio.get_running_loop().time() - ASK_AFTER_S
        if any(each.since < oldest_allowed for each in wanted):
            for each in wanted:
                if each.is_gone is not None and await each.is_gone() and not each.answer.done():
                    each.answer.set_exception(ClientLeft())
            wanted = [each for each in wanted if not each.answer.done()]
        if not wanted:
            return
        for each, answer in zip(wanted, await self._answer([each.call for each in wanted]), strict=True):
            if not each.answer.done():  # its time may have run out meanwhile
                each.answer.set_result(answer)

    def _finish(self, task: asyncio.Task[None], group: Sequence[_Waiting[CallT, AnswerT]]) -> None:
        self._running.discard(task)
        self._under_way -= len(group)
        self._schedule(task.get_loop())
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is None:
            return
        for each in group:
            if not each.answer.done():
                each.answer.set_exception(error)
