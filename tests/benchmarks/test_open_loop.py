"""The open-loop generator: it sends when it is time, whatever was answered, and counts from when it was to send."""

import asyncio
from collections.abc import Awaitable, Callable

import numpy as np
import pytest
from http_connection import request_of
from open_loop import Call, Outcome, poisson_arrivals, send_openly

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
CALL = Call("call", request_of("GET", "/"))


def answer(status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nok".encode()


def outcome_of(handler: Handler, number: int, **options: float) -> Outcome:
    async def run() -> Outcome:
        async with await asyncio.start_server(handler, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            arrivals = np.linspace(0.0, 0.05, number)
            return await send_openly(f"http://127.0.0.1:{port}", [CALL], arrivals, connections=2, **options)

    return asyncio.run(run())


def test_a_stalled_service_is_asked_on_and_the_wait_counts_from_the_planned_time() -> None:
    number = 40
    arrived: list[int] = []
    all_there = asyncio.Event()

    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            arrived.append(1)
            if len(arrived) == number:  # a generator that waits for answers would never come this far
                all_there.set()
            await all_there.wait()
            writer.write(answer())

    outcome = outcome_of(stall, number, patience_s=20.0)
    assert len(outcome.latencies) == number
    assert not any(outcome.is_failed)
    assert max(outcome.latencies) > 0.045  # the first one waited for the last one's time


def test_other_answers_and_lost_connections_are_failures() -> None:
    count = 0

    async def moody(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        while await reader.readuntil(b"\r\n\r\n"):
            count += 1
            if count % 3 == 0:
                writer.close()
                return
            writer.write(answer("500 No" if count % 3 == 1 else "200 OK"))

    outcome = outcome_of(moody, 30, patience_s=20.0)
    assert (len(outcome.is_failed), sum(outcome.is_failed), outcome.unanswered) == (30, 20, 0)
    assert outcome.first_failure


def test_what_is_never_answered_or_too_much_is_counted() -> None:
    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    outcome = outcome_of(silent, 12, patience_s=0.01, most_under_way=10)
    assert (outcome.unanswered, outcome.unsent, outcome.latencies) == (10, 2, [])


def test_arrivals_are_as_many_as_the_rate_says() -> None:
    arrivals = poisson_arrivals(100.0, 50.0, np.random.default_rng(1))
    assert len(arrivals) == pytest.approx(5_000, abs=300)
    assert np.all(np.diff(arrivals) >= 0)
    assert np.diff(arrivals).std() == pytest.approx(0.01, rel=0.1)  # exponential gaps
