"""Open-loop load: requests leave at times that were fixed before, whether earlier ones were answered or not.

A latency is counted from the time that a request was to leave at. A closed loop, which waits for an answer before it
asks again, asks less while the service stalls, and so hides what a stall costs ("coordinated omission", Tene 2013).
Arrivals are Poisson, as those of many independent shoppers are.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import cast
from urllib.parse import urlsplit

import numpy as np
from http_head import length_of
from numpy.typing import NDArray
from precise_timer import PreciseTimer


@dataclass(frozen=True)
class Call:
    """One request as bytes, and what kind it is."""

    kind: str
    request: bytes
    status: int = 200  # of the answer that is none of failure


@dataclass
class Outcome:
    """What became of the requests of one run; three lists of one length."""

    kinds: list[str] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)  # seconds, from the time that it was to leave at
    is_failed: list[bool] = field(default_factory=list)
    first_failure: str = ""
    late_s: float = 0.0  # how much later than fixed the generator itself sent, at most
    unanswered: int = 0
    unsent: int = 0  # since too many were under way
    took_s: float = 0.0


def poisson_arrivals(rate: float, seconds: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Times of arrival, ascending, so many a second on average."""
    count = rng.poisson(rate * seconds)
    return np.sort(rng.uniform(0.0, seconds, count))


class _Connection(asyncio.Protocol):
    """A connection that takes one request at a time."""

    def __init__(self, pool: "_Pool") -> None:
        self._pool = pool
        self._received = b""
        self._call: Call | None = None
        self._due = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def send(self, call: Call, due: float) -> None:
        """Ask; `due` is when it was to be, on the clock of `perf_counter`."""
        self._call, self._due = call, due
        self._transport.write(call.request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator:
            return
        if len(body) < length_of(head):
            return
        status, answer, self._received = int(head[9:12]), self._received, b""
        assert self._call is not None
        is_failed = status != self._call.status
        self._pool.answered(self, self._call, self._due, f"{status}: {answer[:300]!r}" if is_failed else "")

    def connection_lost(self, exc: Exception | None) -> None:
        self._pool.lost(self, self._call, self._due, repr(exc))

    def idle(self) -> None:
        """Nothing is asked any more."""
        self._call = None

    def close(self) -> None:
        """End it."""
        self._transport.close()


class _Pool:
    """Free connections; more are opened when all are busy, since arrivals do not wait for one."""

    def __init__(self, address: str, outcome: Outcome) -> None:
        split = urlsplit(address)
        self._host, self._port = split.hostname, split.port
        self._outcome = outcome
        self._free: list[_Connection] = []
        self._opening: set[asyncio.Task[None]] = set()
        self.under_way = 0
        self._all: set[_Connection] = set()
        self._is_closed = False

    async def open(self, number: int) -> None:
        """Connections in store."""
        self._free += [await self._opened() for _ in range(number)]

    def send(self, call: Call, due: float) -> None:
        """Ask on a free connection, else on a new one."""
        self.under_way += 1
        if self._free:
            self._free.pop().send(call, due)
        else:
            opening = asyncio.create_task(self._open_and_send(call, due))
            self._opening.add(opening)
            opening.add_done_callback(self._opening.discard)

    def answered(self, connection: _Connection, call: Call, due: float, failure: str) -> None:
        """An answer came."""
        connection.idle()
        self._free.append(connection)
        self._note(call, due, failure)

    def lost(self, connection: _Connection, call: Call | None, due: float, why: str) -> None:
        """The other side closed it."""
        self._all.discard(connection)
        self._free = [free for free in self._free if free is not connection]
        if call is not None and not self._is_closed:
            self._note(call, due, f"the connection was lost ({why})")

    def close(self) -> None:
        """End all."""
        self._is_closed = True
        for connection in list(self._all):
            connection.close()

    async def _opened(self) -> _Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: _Connection(self), self._host, self._port)
        self._all.add(connection)
        return connection

    async def _open_and_send(self, call: Call, due: float) -> None:
        try:
            connection = await self._opened()
        except OSError as error:
            self._note(call, due, f"no connection ({error})")
            return
        connection.send(call, due)

    def _note(self, call: Call, due: float, failure: str) -> None:
        self.under_way -= 1
        self._outcome.kinds.append(call.kind)
        self._outcome.latencies.append(perf_counter() - due)
        self._outcome.is_failed.append(bool(failure))
        self._outcome.first_failure = self._outcome.first_failure or failure


async def send_openly(
    address: str,
    calls: Sequence[Call],
    arrivals: NDArray[np.float64],
    patience_s: float,
    connections: int = 32,
    most_under_way: int = 900,
) -> Outcome:
    """Send a call at each arrival, round the calls.

    Args:
        address: http://HOST:PORT.
        calls: to choose from, in turn.
        arrivals: seconds from now, ascending.
        patience_s: after the last arrival; what is not answered then is counted as such.
        connections: to begin with.
        most_under_way: of requests; those that arrive meanwhile are not sent, and counted. A process has some 1,000
            sockets.
    """
    outcome = Outcome()
    pool = _Pool(address, outcome)
    await pool.open(connections)
    start = perf_counter()
    with PreciseTimer() as timer:
        for number, arrival in enumerate(arrivals.tolist()):
            due = start + arrival
            await timer.until(due)
            outcome.late_s = max(outcome.late_s, perf_counter() - due)
            if pool.under_way >= most_under_way:
                outcome.unsent += 1
                continue
            pool.send(calls[number % len(calls)], due)
    until = perf_counter() + patience_s
    while pool.under_way and perf_counter() < until:
        await asyncio.sleep(0.005)
    outcome.took_s = perf_counter() - start
    outcome.unanswered = pool.under_way
    pool.close()
    return outcome
