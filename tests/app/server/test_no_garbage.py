"""What is over is freed at once: garbage that the collector has to find would wait, or stay where it is frozen."""

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType, TracebackType
from typing import Any

import httpx
import orjson
import pytest
from raw_http import connected
from starlette.applications import Starlette

from app.server.bounds import ConnectionBounds
from app.server.connections import Connections
from app.server.exchange import Exchange
from app.server.protocol import HttpConnection
from app.telemetry.metrics import Metrics

KINDS = (Exchange, HttpConnection, FrameType, TracebackType, BaseException)
"""None of these may be garbage: they hold bodies, and all that a call had in hand."""

LARGE = [{"item_id": f"nothing-{number}", "weight": "x"} for number in range(1_000)]
FILTER = {"field": "category", "in": [f"{number:064d}" for number in range(200)]}

Call = tuple[str, str, Any, int]

CALLS: dict[str, Call] = {
    "answered": ("POST", "/recommend", {"k": 3, "context": {"item_ids": ["i1"]}}, 200),
    "large and answered": ("POST", "/recommend", {"filter": FILTER}, 200),
    "small and refused": ("POST", "/recommend", {"k": "x"}, 422),
    "large and refused": ("POST", "/recommend", {"recent_events": LARGE}, 422),
    "large and refused after reading": ("POST", "/recommend", {"filter": FILTER | {"field": "nothing"}}, 422),
    "events that are refused": ("POST", "/events", {"events": LARGE}, 422),
    "no call": ("GET", "/nothing", None, 404),
    "no item": ("GET", "/items/nothing/similar", None, 404),
}


@contextmanager
def garbage_kept() -> Iterator[list[Any]]:
    """What only the collector would have freed, gathered from now on: all that is new is of the youngest generation."""
    gc.collect(1)
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield gc.garbage
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


@pytest.fixture(scope="module")
def door(
    application_of: Callable[..., Starlette], listening: Callable[..., AbstractContextManager[httpx.Client]]
) -> Iterator[tuple[tuple[str, int], Metrics]]:
    """A service in this process, and its metrics."""
    metrics = Metrics()
    with listening(application_of(), Connections(ConnectionBounds(), metrics)) as client:
        yield (client.base_url.host, client.base_url.port or 0), metrics


def send(address: tuple[str, int], call: Call) -> int:
    method, path, document, _ = call
    body = b"" if document is None else orjson.dumps(document)
    head = f"{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n"
    with connected(address) as connection:
        connection.send(head.encode() + body)
        return connection.answer().status


@pytest.mark.parametrize("name", CALLS)
def test_a_call_leaves_no_garbage(door: tuple[tuple[str, int], Metrics], name: str) -> None:
    address, metrics = door
    send(address, CALLS[name])  # what is made once is made now
    with garbage_kept() as garbage:
        assert [send(address, CALLS[name]) for _ in range(3)] == [CALLS[name][3]] * 3
        deadline = time.monotonic() + 20
        while metrics.registry.get_sample_value("aisle_open_connections"):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        gc.collect(0)
        assert [repr(each)[:200] for each in garbage if isinstance(each, KINDS)] == []
