"""What was shown: every answer is followed by attribution, and a sample is logged to the store.

Logging never holds up a request: impressions wait in memory, are sent in groups, and are dropped when too many wait.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from app.artifact.people import Person
from app.background import BackgroundTask
from app.errors import StoreUnavailable
from app.serving.attribution import OnlineTracker
from app.serving.call import Answer
from app.serving.release import Release
from app.stores.protocol import UserStore
from app.telemetry.metrics import Metrics

GROUP: Final = 50  # records sent at once: the loop does nothing else meanwhile
EVERY_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Impression:
    """One answer, as it is logged."""

    request_id: str
    person: Person | None  # who was shown it
    model_version: str
    time: float  # unix seconds
    item_ids: Sequence[str]  # in the order shown
    first_position: int = 1  # of the first of them in the whole list
    query: str | None = None  # as it was typed
    corrected_query: str | None = None
    total: int | None = None
    matched_by: str | None = None


class ImpressionLog:
    """Keeps impressions until they are sent, as many as fit.

    Args:
        store: takes them.
        share: the share of answers that is logged, 0 to 1.
        capacity: impressions that may wait.
        draw: uniform numbers in [0, 1).
        metrics: counts what was sent and what was dropped.
    """

    def __init__(
        self, store: UserStore, share: float, capacity: int, draw: Callable[[], float], metrics: Metrics
    ) -> None:
        self._store = store
        self._share = share
        self._capacity = capacity
        self._draw = draw
        self._metrics = metrics
        self._waiting: deque[Impression] = deque()
        self._task = BackgroundTask("impressions", self._send_all, EVERY_S, metrics.count_background_failure)

    def samples_next(self) -> bool:
        """Whether the next answer is in the sample."""
        return self._share > 0 and (self._share >= 1 or self._draw() < self._share)

    def add(self, impression: Impression) -> None:
        """Keep an impression to be sent, unless too many wait."""
        if len(self._waiting) >= self._capacity:
            self._metrics.count_impressions("dropped_here", 1)
        else:
            self._waiting.append(impression)

    async def start(self) -> None:
        """Begin to send in the background."""
        self._task.start()

    async def close(self) -> None:
        """Send what waits, and stop."""
        await self._task.close()
        while self._waiting:
            await self._task.take_turn()

    async def send(self) -> None:
        """Send the oldest group of those that wait."""
        group = [self._waiting.popleft() for _ in range(min(GROUP, len(self._waiting)))]
        if not group:
            return
        try:
            count = await self._store.log_impressions([_record(impression) for impression in group])
        except StoreUnavailable:
            self._metrics.count_impressions("dropped_store", len(group))
            return
        except Exception:
            self._metrics.count_impressions("dropped_store", len(group))
            raise
        self._metrics.count_impressions("kept", count)
        if count < len(group):
            self._metrics.count_impressions("dropped_full", len(group) - count)

    async def _send_all(self) -> None:
        while len(self._waiting) >= GROUP:
            await self.send()
        await self.send()


@dataclass(frozen=True)
class ImpressionRecorder:
    """Records each answer on its way out: in attribution, and where it is in the sample, in the log."""

    log: ImpressionLog
    online: OnlineTracker

    def record(
        self, request_id: str, person: Person | None, query: str | None, answer: Answer, release: Release
    ) -> None:
        """Record one answer.

        Args:
            request_id: the id by which events name the answer.
            person: the user, else the visitor; `None` for nobody in particular.
            query: as it was typed; `None` without one, and for a page whose cursor came alone.
            answer: what is shown.
            release: the one that it was answered from.
        """
        now = release.wall_clock()
        self.online.record_answer(request_id, answer.model_version, answer.item_ids, answer.first_rank, now)
        if self.log.samples_next():
            self.log.add(
                Impression(
                    request_id=request_id,
                    person=person,
                    model_version=answer.model_version,
                    time=now,
                    item_ids=answer.item_ids,
                    first_position=answer.first_rank,
                    query=query,
                    corrected_query=answer.corrected_query,
                    total=answer.total,
                    matched_by=answer.matched_by,
                )
            )


def _record(impression: Impression) -> bytes:
    """The JSON of an `ImpressionRecord`."""
    person = impression.person
    record = {
        "request_id": impression.request_id,
        "user_hash": None if person is None else f"{person.hash:016x}",
        "model_version": impression.model_version,
        "time": impression.time,
        "item_ids": impression.item_ids,
        "first_position": impression.first_position,
        "query": impression.query,
        "corrected_query": impression.corrected_query,
        "total": impression.total,
        "matched_by": impression.matched_by,
    }
    return orjson.dumps(record)
