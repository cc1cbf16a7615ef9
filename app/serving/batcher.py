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
from app.serving.call import ClientDisconnected
from app.serving.release import Release

MAX_GROUPS: Final = 2  # under way at once
CHECK_AFTER_S: Final = (
    0.02  # before one that waited longer is worked for, it is checked whether its client is still there
)

ItemT = TypeVar("ItemT")
CallT = TypeVar("CallT")
AnswerT = TypeVar("AnswerT")
HasLeft = Callable[[], Awaitable[bool]]


@dataclass(slots=True)
class _Pending(Generic[ItemT, AnswerT]):
    item: ItemT
    answer: asyncio.Future[AnswerT]
    submitted: float  # on the loop's clock
    has_left: HasLeft | None


class Batcher(Generic[ItemT, AnswerT]):
    """Gathers items and answers them in groups.

    Args:
        answer: answers a group, in its order.
        max_batch: the largest group.
        max_pending: items that may wait or be under way; more are refused.
    """

    def __init__(
        self, answer: Callable[[Sequence[ItemT]], Awaitable[list[AnswerT]]], max_batch: int, max_pending: int
    ) -> None:
        self._answer = answer
        self._max_batch = max_batch
        self._max_pending = max_pending
        self._waiting: list[_Pending[ItemT, AnswerT]] = []
        self._running: set[asyncio.Task[None]] = set()  # the loop itself holds tasks only weakly
        self._under_way = 0
        self._scheduled = False
        self._seen = 0  # how many waited a turn ago

    @property
    def pending(self) -> int:
        """Items that wait or are under way."""
        return len(self._waiting) + self._under_way

    def submit(self, item: ItemT, has_left: HasLeft | None = None) -> asyncio.Future[AnswerT]:
        """The answer to come. Whoever gives it a result before its group goes takes the item back.

        It ends with whatever answering its group raised, or with `ClientDisconnected`.

        Args:
            item: what is to be answered.
            has_left: tells whether nobody waits for the answer any more.

        Raises:
            Overloaded: too many wait already.
        """
        if self.pending >= self._max_pending:
            raise Overloaded(f"{self._max_pending} requests wait already: send it again in a second, or ask less often")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[AnswerT] = loop.create_future()
        self._waiting.append(_Pending(item, future, loop.time(), has_left))
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

    async def _run(self, group: Sequence[_Pending[ItemT, AnswerT]]) -> None:
        open_ = [pending for pending in group if not pending.answer.done()]
        oldest_unchecked = asyncio.get_running_loop().time() - CHECK_AFTER_S
        if any(pending.submitted < oldest_unchecked for pending in open_):
            for pending in open_:
                if pending.has_left is not None and await pending.has_left() and not pending.answer.done():
                    pending.answer.set_exception(ClientDisconnected())
            open_ = [pending for pending in open_ if not pending.answer.done()]
        if not open_:
            return
        for pending, answer in zip(open_, await self._answer([pending.item for pending in open_]), strict=True):
            if not pending.answer.done():  # its time may have run out meanwhile
                pending.answer.set_result(answer)

    def _finish(self, task: asyncio.Task[None], group: Sequence[_Pending[ItemT, AnswerT]]) -> None:
        self._running.discard(task)
        self._under_way -= len(group)
        self._schedule(task.get_loop())
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is None:
            return
        for pending in group:
            if not pending.answer.done():
                pending.answer.set_exception(error)


async def answer_by_release(
    answer: Callable[[Release, Sequence[CallT]], Awaitable[list[AnswerT]]], items: Sequence[tuple[Release, CallT]]
) -> list[AnswerT]:
    """Answer each call from the release that it began with; nearly always there is but one.

    Args:
        answer: answers calls from a release, in their order.
        items: the release and the call of each.
    """
    releases = list({id(release): release for release, _ in items}.values())
    if len(releases) == 1:
        return await answer(releases[0], [call for _, call in items])
    answers: dict[int, AnswerT] = {}
    for current in releases:
        indices = [index for index, (release, _) in enumerate(items) if release is current]
        part = await answer(current, [items[index][1] for index in indices])
        answers.update(zip(indices, part, strict=True))
    return [answers[index] for index in range(len(items))]
