"""Natural batching: what becomes ready in consecutive turns of the event loop is answered together.

Nothing waits on a clock: a group goes as soon as a turn brings nothing new, so that an idle service answers a lone
request two turns (some microseconds) after it came. While a group is being answered, requests gather in the sockets;
they are read a few at a time, and whoever took only those of the first turn would answer many small groups. One group
more than there are threads may be under way, so that the store is asked for it while another one is worked out; what
comes meanwhile gathers.

A group is as large as it is cheap: whoever is in it waits for all of it. Where it fails, each of it is answered alone.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from app.errors import Overloaded
from app.serving.call import ClientDisconnected
from app.serving.release import Release
from app.stores.state import StatesRead

MAX_GROUPS: Final = 2  # under way at once, where one thread works them out
CHECK_AFTER_S: Final = (
    0.02  # before one that waited longer is worked for, it is checked whether its client is still there
)

ItemT = TypeVar("ItemT")
CallT = TypeVar("CallT")
AnswerT = TypeVar("AnswerT")
HasLeft = Callable[[], Awaitable[bool]]

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Pending(Generic[ItemT, AnswerT]):
    item: ItemT
    answer: asyncio.Future[AnswerT]
    submitted: float  # on the loop's clock
    has_left: HasLeft | None
    cost: float


class Batcher(Generic[ItemT, AnswerT]):
    """Gathers items and answers them in groups.

    Args:
        answer: answers a group, in its order.
        max_batch: the largest group.
        max_pending: items that may wait or be under way; more are refused.
        max_cost: what the items of a group may cost together, in the unit of `submit`; one alone may cost more.
        max_groups: under way at once.
    """

    def __init__(
        self,
        answer: Callable[[Sequence[ItemT]], Awaitable[list[AnswerT]]],
        max_batch: int,
        max_pending: int,
        max_cost: float = math.inf,
        max_groups: int = MAX_GROUPS,
    ) -> None:
        self._answer = answer
        self._max_batch = max_batch
        self._max_pending = max_pending
        self._max_cost = max_cost
        self._max_groups = max_groups
        self._waiting: list[_Pending[ItemT, AnswerT]] = []
        self._running: set[asyncio.Task[None]] = set()  # the loop itself holds tasks only weakly
        self._under_way = 0
        self._scheduled = False
        self._seen = 0  # how many waited a turn ago

    @property
    def pending(self) -> int:
        """Items that wait or are under way."""
        return len(self._waiting) + self._under_way

    def submit(self, item: ItemT, has_left: HasLeft | None = None, cost: float = 0.0) -> asyncio.Future[AnswerT]:
        """The answer to come. Whoever gives it a result before its group goes, or cancels it, takes the item back.

        It ends with whatever answering the item raised, or with `ClientDisconnected`.

        Args:
            item: what is to be answered.
            has_left: tells whether nobody waits for the answer any more.
            cost: what the item adds to the time of its group, in any unit.

        Raises:
            Overloaded: too many wait already.
        """
        if self.pending >= self._max_pending:
            raise overloaded(self._max_pending)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[AnswerT] = loop.create_future()
        self._waiting.append(_Pending(item, future, loop.time(), has_left, cost))
        self._schedule(loop)
        return future

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._waiting and not self._scheduled and len(self._running) < self._max_groups:
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
        self._scheduled = False
        size = self._size_of_next()
        group, self._waiting = self._waiting[:size], self._waiting[size:]
        self._under_way += len(group)
        task = loop.create_task(self._run(group))
        self._running.add(task)
        task.add_done_callback(lambda done: self._finish(done, group))
        self._schedule(loop)

    def _size_of_next(self) -> int:
        """How many of those that wait make the next group."""
        cost = 0.0
        for size, pending in enumerate(self._waiting[: self._max_batch]):
            cost += pending.cost
            if size and cost > self._max_cost:
                return size
        return min(len(self._waiting), self._max_batch)

    async def _run(self, group: Sequence[_Pending[ItemT, AnswerT]]) -> None:
        open_ = _open(group)
        oldest_unchecked = asyncio.get_running_loop().time() - CHECK_AFTER_S
        if any(pending.submitted < oldest_unchecked for pending in open_):
            for pending in open_:
                if pending.has_left is not None and await pending.has_left() and not pending.answer.done():
                    pending.answer.set_exception(ClientDisconnected())
            open_ = _open(open_)
        if not open_:
            return
        try:
            await self._answer_together(open_)
        except Exception as error:
            if len(group) == 1:
                raise
            log.exception(
                "a run failed; each of its requests is answered alone",
                extra={"requests": len(open_), "error": type(error).__name__},
            )
            await self._answer_alone(open_)

    async def _answer_together(self, group: Sequence[_Pending[ItemT, AnswerT]]) -> None:
        for pending, answer in zip(group, await self._answer([pending.item for pending in group]), strict=True):
            if not pending.answer.done():  # its time may have run out meanwhile
                pending.answer.set_result(answer)

    async def _answer_alone(self, group: Sequence[_Pending[ItemT, AnswerT]]) -> None:
        for pending in group:
            if pending.answer.done():
                continue
            try:
                await self._answer_together([pending])
            except Exception as error:
                if not pending.answer.done():
                    pending.answer.set_exception(error)

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


def overloaded(limit: int) -> Overloaded:
    """The refusal of a request where so many wait."""
    return Overloaded(f"{limit} requests wait already: send it again in a second, or ask less often")


def _open(group: Sequence[_Pending[ItemT, AnswerT]]) -> list[_Pending[ItemT, AnswerT]]:
    """Those that somebody waits for."""
    return [pending for pending in group if not pending.answer.done()]


@dataclass(slots=True, eq=False)
class Submission(Generic[CallT]):
    """A call, and the release that it began with."""

    release: Release
    call: CallT
    cost: float = 0.0  # microseconds beyond those of a plain call, about
    read: StatesRead | None = None  # the states of its people, where they were read when it came
    is_gone: bool = False  # nobody waits for the answer: what has not begun need not begin


async def answer_by_release(
    answer: Callable[[Release, Sequence[Submission[CallT]]], Awaitable[list[AnswerT]]],
    submissions: Sequence[Submission[CallT]],
) -> list[AnswerT]:
    """Answer each call from the release that it began with; nearly always there is but one.

    Args:
        answer: answers calls from a release, in their order.
        asked: the calls.
    """
    releases = list({id(submission.release): submission.release for submission in submissions}.values())
    if len(releases) == 1:
        return await answer(releases[0], submissions)
    answers: dict[int, AnswerT] = {}
    for current in releases:
        indices = [index for index, submission in enumerate(submissions) if submission.release is current]
        part = await answer(current, [submissions[index] for index in indices])
        answers.update(zip(indices, part, strict=True))
    return [answers[index] for index in range(len(submissions))]
