"""All connections of the service: which of them waits for what since when, and which one goes when there are too many.

A connection waits in at most one `Queue` at a time, and also for its reader. Queues are in the order of their
deadlines, since all that wait in one may do so equally long, so that only their first is looked at.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from typing import Final, Protocol

from app.server.bounds import SPARE_DESCRIPTORS, ConnectionBounds, descriptor_limit
from app.telemetry.metrics import Metrics

LINGER_S: Final = 2.0  # after a refusal, in which the client reads it
LAST_CALL_S: Final = 1.0  # in which an idle connection may bring one more request when the service ends
_YOUNG_S: Final = 1.0  # in which an honest client has sent its head
_LOG_EVERY_S: Final = 10.0

log = logging.getLogger(__name__)


class Waiting(Protocol):
    """A connection, as far as it is watched here."""

    held: int
    """Bytes of requests that it holds: bodies, and all that waits behind an answer."""
    unread: int
    """Bytes of answers that its client did not take yet, at most."""

    @property
    def gives_way(self) -> int:
        """How soon some of what it holds is refused: what waits behind an answer (2), then a body that arrives (1)."""

    def end(self, reason: str) -> None:
        """Close it, with an answer where one can still be given."""

    def crowd_out(self) -> None:
        """Refuse all of it that can be, and let go of it."""


class Queue:
    """Connections that wait for the same thing, the one that has waited longest first.

    Args:
        reason: what a connection is closed for that waits too long.
        limit_s: how long one may wait.
    """

    def __init__(self, reason: str, limit_s: float) -> None:
        self.reason = reason
        self.limit_s = limit_s
        self.since: dict[Waiting, float] = {}

    def first(self) -> Waiting | None:
        """The connection that has waited longest."""
        return next(iter(self.since), None)

    def late(self, now: float, *, not_before: float = 0.0, limit_s: float | None = None) -> Iterator[Waiting]:
        """Those that have waited too long, which leave the queue.

        Args:
            now: the time by the clock.
            not_before: whoever waits for longer counts from here.
            limit_s: how long one may wait, if not as long as always.
        """
        limit_s = self.limit_s if limit_s is None else limit_s
        while self.since:
            connection, since = next(iter(self.since.items()))
            if max(since, not_before) + limit_s > now:
                return
            del self.since[connection]
            yield connection


class Connections:
    """The connections of one server.

    Args:
        bounds: what they may hold and for how long.
        metrics: shows how many there are and what they hold, and counts those that are closed for a reason.
        clock: tells seconds, and never goes back.
    """

    def __init__(self, bounds: ConnectionBounds, metrics: Metrics, clock: Callable[[], float] = time.monotonic) -> None:
        self.bounds = bounds
        self.metrics = metrics
        self.clock = clock
        self.heads = Queue("head_timeout", bounds.head_s)
        self.bodies = Queue("body_timeout", bounds.body_s)
        self.large_bodies = Queue("body_timeout", bounds.large_s)
        self.idle = Queue("idle", bounds.idle_s)
        self.lingering = Queue("refused", LINGER_S)
        self.readers = Queue("answer_timeout", bounds.answer_s)
        self.draining = False
        self._queues = (self.heads, self.bodies, self.large_bodies, self.idle, self.lingering, self.readers)
        self._open: set[Waiting] = set()
        self._held = 0
        self._unread = 0
        self._drained_since = 0.0
        self._is_ending = False
        self._timer: asyncio.TimerHandle | None = None
        self._tick_s = min(0.25, *(queue.limit_s / 4 for queue in self._queues))
        self._logged: dict[str, float] = {}
        metrics.watch_connections(lambda: len(self._open), lambda: self._held, lambda: self._unread)

    def open(self, connection: Waiting, descriptor: int) -> bool:
        """Take in a connection, and close another one where there are too many.

        Args:
            connection: has just been made.
            descriptor: the number of its socket; the lowest free one is taken, so it tells how many are in use.

        Returns:
            Whether it may stay.
        """
        self._open.add(connection)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._tick_s, self._sweep)
        short = descriptor >= descriptor_limit() - SPARE_DESCRIPTORS
        if not short and len(self._open) <= self.bounds.connections:
            return True
        what = "descriptors run short" if short else "there are as many connections as may be"
        self._warn(f"{what}: those that wait longest are closed", connections=len(self._open), descriptor=descriptor)
        longest = self._longest_waiting()
        if longest is None:
            self.metrics.count_closed("crowded_out")
            return False
        self.close(longest, "crowded_out")
        return True

    def closed(self, connection: Waiting) -> None:
        """Forget a connection."""
        self._open.discard(connection)

    def close(self, connection: Waiting, reason: str) -> None:
        """Close a connection for a reason that is counted."""
        self.metrics.count_closed(reason)
        self.readers.since.pop(connection, None)
        connection.end(reason)

    def hold(self, connection: Waiting, size: int) -> None:
        """Count bytes of requests that a connection holds, or (below 0) has let go of.

        Where all together hold too many, what a client sent ahead of an answer is refused, which it may not even read,
        then bodies that are still arriving; of either the most.
        """
        connection.held += size
        self._held += size
        while size > 0 and self._held > self.bounds.held_bytes:
            holders = (waiting for waiting in self._open if waiting.gives_way)
            largest = max(holders, key=lambda waiting: (waiting.gives_way, waiting.held), default=None)
            if largest is None:
                return
            self._warn("requests hold as much as they may: the largest is refused", bytes=self._held)
            largest.crowd_out()

    @property
    def is_full(self) -> bool:
        """Whether requests hold as much as they may."""
        return self._held > self.bounds.held_bytes

    def stall(self, connection: Waiting, size: int) -> None:
        """Count bytes of an answer that is not taken, or (0) say that it was.

        Where all together are too many, the connection with the largest answer is closed.
        """
        self._unread += size - connection.unread
        connection.unread = size
        if not size:
            self.readers.since.pop(connection, None)
            return
        self.readers.since[connection] = self.clock()
        while self._unread > self.bounds.unread_bytes and self.readers.since:
            self._warn("answers that nobody takes hold as much as they may: the largest is dropped", bytes=self._unread)
            largest = max(self.readers.since, key=lambda waiting: waiting.unread)
            self._unread -= largest.unread
            largest.unread = 0
            self.close(largest, "crowded_out")

    def drain(self) -> None:
        """From now on every answer is the last of its connection."""
        if not self.draining:
            self.draining = True
            self._drained_since = self.clock()

    def end(self) -> None:
        """Close what stays idle, or is silent within a head, for a second longer."""
        self.drain()
        self._is_ending = True

    def _longest_waiting(self) -> Waiting | None:
        """The connection that is missed least."""
        silent = self.heads.first()
        if silent is not None and self.heads.since[silent] + _YOUNG_S <= self.clock():
            return silent
        for queue in (self.lingering, self.idle, self.heads, self.bodies, self.readers):
            first = queue.first()
            if first is not None:
                return first
        return None

    def _sweep(self) -> None:
        """Close what has waited too long."""
        now = self.clock()
        for queue in self._queues:
            hurried = self._is_ending and queue in (self.heads, self.idle)
            late = queue.late(now, not_before=self._drained_since, limit_s=LAST_CALL_S) if hurried else queue.late(now)
            for connection in late:
                self.close(connection, "idle" if hurried else queue.reason)
        self._timer = asyncio.get_running_loop().call_later(self._tick_s, self._sweep) if self._open else None

    def _warn(self, message: str, **more: object) -> None:
        """Write a line of the log, the same one not more often than every ten seconds."""
        now = self.clock()
        if now - self._logged.get(message, -_LOG_EVERY_S) >= _LOG_EVERY_S:
            self._logged[message] = now
            log.warning(message, extra=more)
