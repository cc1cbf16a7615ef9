"""A load generator: keep-alive HTTP/1.1 connections, each asking anew as soon as it is answered.

Reads one JSON object from stdin (`host`, `port`, `path`, `bodies`, `connections`, `seconds`, and `status`, that of all
answers, 200 if left out) and prints one: requests a second, the latency's percentiles, and the mean microseconds of
each stage in `Server-Timing`, of one answer in sixteen. The protocol is spoken by hand, since a client library costs
more than the server.
"""

import asyncio
import json
import sys
from collections.abc import Iterator
from itertools import cycle
from time import perf_counter
from typing import Any, cast

import uvloop
from http_head import header_of, length_of

_TIMING = b"server-timing"
_TIMED_EVERY = 16


class _Connection(asyncio.Protocol):
    """One connection with one request under way.

    Args:
        requests: bytes to send, without end.
        latencies: told of the seconds that each answer took.
        timings: told of the `Server-Timing` of some answers.
        until: when to send no more, on the clock of `perf_counter`.
        status: of every answer.
    """

    def __init__(
        self, requests: Iterator[bytes], latencies: list[float], timings: list[bytes], until: float, status: int
    ) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._requests = requests
        self._latencies = latencies
        self._timings = timings
        self._until = until
        self._begin = b"HTTP/1.1 %d" % status
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own is no subclass
        self._ask()

    def data_received(self, data: bytes) -> None:
        received = self._received = self._received + data
        head = received.find(b"\r\n\r\n")
        if head < 0:
            return
        if len(received) < head + 4 + length_of(received[:head]):
            return
        now = perf_counter()
        self._latencies.append(now - self._asked)
        if len(self._latencies) % _TIMED_EVERY == 0:
            timing = header_of(received[:head], _TIMING)
            if timing is not None:
                self._timings.append(timing)
        if not received.startswith(self._begin):
            self.done.set_exception(RuntimeError(f"expected {self._begin.decode()}, got {received[:500]!r}"))
        elif now < self._until:
            self._received = b""
            self._ask()
            return
        else:
            self.done.set_result(None)
        self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(RuntimeError(f"the server closed the connection ({exc})"))

    def _ask(self) -> None:
        self._asked = perf_counter()
        self._transport.write(next(self._requests))


async def _load(
    host: str, port: int, path: str, bodies: list[str], connections: int, seconds: float, status: int = 200
) -> dict[str, Any]:
    head = f"POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: "
    requests = cycle([f"{head}{len(body.encode())}\r\n\r\n{body}".encode() for body in bodies])
    latencies: list[float] = []
    timings: list[bytes] = []
    started = perf_counter()
    loop = asyncio.get_running_loop()
    opened = [
        await loop.create_connection(
            lambda: _Connection(requests, latencies, timings, started + seconds, status), host, port
        )
        for _ in range(connections)
    ]
    await asyncio.gather(*(connection.done for _, connection in opened))
    took = perf_counter() - started
    latencies.sort()
    return {
        "requests": len(latencies),
        "requests_per_s": len(latencies) / took,
        "p50_ms": latencies[len(latencies) // 2] * 1e3,
        "p99_ms": latencies[len(latencies) * 99 // 100] * 1e3,
        "stages_us": _stages(timings) if timings else {},
    }


def _stages(timings: list[bytes]) -> dict[str, float]:
    """Mean microseconds of each stage."""
    sums: dict[str, float] = {}
    for timing in timings:
        for part in timing.decode("ascii").split(", "):
            name, _, milliseconds = part.partition(";dur=")
            sums[name] = sums.get(name, 0.0) + float(milliseconds) * 1e3
    return {name: round(total / len(timings), 1) for name, total in sums.items()}


if __name__ == "__main__":
    print(json.dumps(uvloop.run(_load(**json.load(sys.stdin)))))
