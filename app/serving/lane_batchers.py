"""Calls on their way to the engine: cheap ones gather in one lane, dear ones in another."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, Generic, TypeVar

from app.errors import Overloaded
from app.serving.batcher import Batcher, HasLeft, Submission, answer_by_release, overloaded
from app.serving.call import ClientDisconnected
from app.serving.cost import DEAR_US, GROUP_US
from app.serving.lanes import Lane, Lanes
from app.serving.lone_runs import LoneRuns
from app.serving.release import Release
from app.stores.state import StatesRead
from app.telemetry.metrics import Metrics

CallT = TypeVar("CallT")
AnswerT = TypeVar("AnswerT")
AnswerRun = Callable[[Lane, Release, Sequence[Submission[CallT]]], Awaitable[list[AnswerT | None]]]
"""Answers calls of one release in a lane, in their order; `None` for one that is gone."""


class LaneBatchers(Generic[CallT, AnswerT]):
    """A batcher for each lane.

    Args:
        answer: answers a group.
        lanes: where.
        max_batch: the largest group.
        max_pending: calls that may wait or be under way in all lanes.
        metrics: counts those that are not worked for.
    """

    def __init__(
        self,
        answer: AnswerRun[CallT, AnswerT],
        lanes: Lanes,
        max_batch: int,
        max_pending: int,
        metrics: Metrics,
    ) -> None:
        self._max_pending: Final = max_pending
        self._metrics = metrics
        self._lone_runs = LoneRuns()
        self._cheap, self._dear = (
            Batcher[Submission[CallT], AnswerT | None](
                partial(answer_by_release, partial(answer, lane)), max_batch, max_pending, GROUP_US, lane.threads + 1
            )
            for lane in (lanes.engine, lanes.dear)
        )

    @property
    def pending(self) -> int:
        """Calls that wait or are under way."""
        return self._cheap.pending + self._dear.pending

    async def answer(
        self,
        release: Release,
        call: CallT,
        has_left: HasLeft | None,
        cost: float,
        read: StatesRead | None = None,
    ) -> AnswerT:
        """The answer to a call. Where it is cancelled, the call is not worked for, unless that has begun.

        Args:
            release: the current one when the call came.
            call: the parsed request.
            has_left: tells whether nobody waits for the answer any more.
            cost: microseconds beyond those of a plain call, about.
            read: the states of its people, where they were read already.

        Raises:
            Overloaded: too many calls wait already.
            ClientDisconnected: nobody waits for the answer.
        """
        submission = Submission(release, call, cost, read)
        try:
            if self.pending >= self._max_pending:
                raise overloaded(self._max_pending)
            answer = await (self._dear if cost >= DEAR_US else self._cheap).submit(submission, has_left, cost)
        except Overloaded:
            self._metrics.count_dropped("overloaded")
            raise
        except ClientDisconnected:
            self._metrics.count_dropped("client_left")
            raise
        except asyncio.CancelledError:
            submission.is_gone = True
            raise
        assert answer is not None  # noqa: S101 - only those that are gone get none
        return answer

    async def work_out(
        self, lane: Lane, submissions: Sequence[Submission[CallT]], work: Callable[[Sequence[int]], list[AnswerT]]
    ) -> list[AnswerT | None]:
        """The answers of a group, worked out for those alone that still wait when it begins.

        Args:
            lane: where, unless the group is one call that nothing else waits behind (see `LoneRuns`).
            submissions: the group.
            work: answers the calls of some indices, in their order.
        """
        run = partial(_answer_the_waiting, submissions, work)
        if self.pending == 1:
            return await self._lone_runs.run(lane, submissions[0].cost, run)
        return await lane.run(run)


def _answer_the_waiting(
    submissions: Sequence[Submission[CallT]], work: Callable[[Sequence[int]], list[AnswerT]]
) -> list[AnswerT | None]:
    waiting = [index for index, submission in enumerate(submissions) if not submission.is_gone]
    answers: list[AnswerT | None] = [None] * len(submissions)
    if waiting:
        for index, answer in zip(waiting, work(waiting), strict=True):
            answers[index] = answer
    return answers
