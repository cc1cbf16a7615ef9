"""Deadlines, a full queue, and clients that leave: nobody waits for what nobody needs."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from app.serving.services import Services
from app.stores.memory import MemoryUserStore
from app.stores.state import FetchResult, StateRequest

Listening = Callable[[Starlette], AbstractContextManager[httpx.Client]]
WITHIN_S = 20


class GatedStore(MemoryUserStore):
    """Answers only while its gate is open; tells how many wait at it."""

    def __init__(self) -> None:
        super().__init__()
        self.is_open = False
        self.asked: list[int] = []

    async def fetch(self, version: str, wanted: Sequence[StateRequest]) -> FetchResult:
        self.asked.append(len(wanted))
        while not self.is_open:
            await asyncio.sleep(0.001)
        return await super().fetch(version, wanted)


@pytest.fixture
def gate() -> GatedStore:
    return GatedStore()


@pytest.fixture
def gated(
    gate: GatedStore,
    services_of: Callable[..., Services],
    application_of: Callable[..., Starlette],
    listening: Listening,
) -> Iterator[httpx.Client]:
    """A service on the gated store in which three requests may be pending."""
    with listening(application_of(services=services_of(gate, max_pending=3, timeout_ms=WITHIN_S * 1e3))) as client:
        yield client
        gate.is_open = True


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.002)


@contextmanager
def asking(client: httpx.Client, count: int, answers: list[httpx.Response], **fields: Any) -> Iterator[None]:
    """Requests under way, whose answers are there at the end."""

    def ask() -> None:
        with httpx.Client(base_url=client.base_url, timeout=WITHIN_S) as own:
            answers.append(own.post("/recommend", json=fields))

    threads = [threading.Thread(target=ask) for _ in range(count)]
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.join()


def metric(client: httpx.Client, line: str) -> bool:
    return line in client.get("/metrics").text


def test_past_its_deadline_a_request_gets_what_is_popular(
    gated: httpx.Client, users: list[str], popular: list[str]
) -> None:
    asked = {"user_id": users[0], "timeout_ms": 20, "k": 5, "explain": True, "fields": ["title"]}
    response = gated.post("/recommend", json=asked | {"exclude_item_ids": popular[:1]})
    assert response.status_code == 200
    answer = response.json()
    assert answer["degraded"] == ["timeout"]
    assert [item["item_id"] for item in answer["items"]] == popular[1:6]
    assert [item["rank"] for item in answer["items"]] == [1, 2, 3, 4, 5]
    assert all(item["fields"]["title"] for item in answer["items"])
    assert all(item["reasons"] == [{"kind": "popular", "weight": item["score"]}] for item in answer["items"])
    assert metric(gated, 'aisle_degraded_answers_total{missing="timeout"} 1.0')


def test_past_its_deadline_a_request_still_gets_nothing_of_the_past(
    gated: httpx.Client, recommend: Callable[..., dict[str, Any]], users: list[str], popular: list[str]
) -> None:
    answer = gated.post("/recommend", json={"user_id": users[0], "timeout_ms": 20, "exclude": "seen", "k": 200}).json()
    assert answer["degraded"] == ["timeout"]
    seen = set(popular) - {item["item_id"] for item in recommend(user_id=users[0], exclude="seen", k=200)["items"]}
    shown = [item["item_id"] for item in answer["items"]]
    assert shown
    assert not set(shown) & {item for item in seen if item not in shown}
    whole = gated.post("/recommend", json={"user_id": users[0], "timeout_ms": 20, "k": 200}).json()
    assert shown != [item["item_id"] for item in whole["items"]]


@pytest.mark.parametrize("timeout_ms", [0, -5, "soon", 60_001])
def test_a_deadline_that_is_none_is_refused(client: httpx.Client, timeout_ms: Any) -> None:
    response = client.post("/recommend", json={"timeout_ms": timeout_ms})
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "timeout_ms"


def test_more_requests_than_may_wait_are_told_when_to_come_back(
    gated: httpx.Client, gate: GatedStore, users: list[str]
) -> None:
    answers: list[httpx.Response] = []
    with asking(gated, 3, answers, user_id=users[0]):
        until(lambda: metric(gated, "aisle_pending_requests 3.0"))
        refused = gated.post("/recommend", json={"user_id": users[1]})
        gate.is_open = True
    assert refused.status_code == 429
    assert refused.json()["code"] == "overloaded"
    assert refused.headers["retry-after"] == "1"
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert metric(gated, 'aisle_dropped_requests_total{reason="overloaded"} 1.0')
    assert gated.post("/recommend", json={"user_id": users[1]}).status_code == 200


def test_whoever_left_is_not_worked_for_and_is_counted(
    services_of: Callable[..., Services],
    application_of: Callable[..., Starlette],
    listening: Listening,
    users: list[str],
) -> None:
    """Two groups of one are under way when the loop is kept busy; the three others have left when their turn comes."""
    store = BusyStore()
    with listening(application_of(services=services_of(store, max_batch=1, timeout_ms=WITHIN_S * 1e3))) as client:
        body = b'{"user_id": "%s"}' % users[0].encode()
        head = b"POST /recommend HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % len(body)
        host, port = client.base_url.host, client.base_url.port or 0
        leaving = [socket.create_connection((host, port), WITHIN_S) for _ in range(5)]
        for connection in leaving:
            connection.sendall(head + body)
        until(store.began.is_set)
        for connection in leaving:
            connection.close()
        store.go_on.set()
        until(lambda: 'aisle_dropped_requests_total{reason="client_left"} 3.0' in client.get("/metrics").text)
        assert 'aisle_requests_total{method="POST",route="/recommend",status="499"} 3.0' in client.get("/metrics").text
        assert client.post("/recommend", json={"user_id": users[0]}).json()["degraded"] == []


class BusyStore(MemoryUserStore):
    """Keeps the event loop for itself the first time, as a long run of the engine would."""

    def __init__(self) -> None:
        super().__init__()
        self.began = threading.Event()
        self.go_on = threading.Event()

    async def fetch(self, version: str, wanted: Sequence[StateRequest]) -> FetchResult:
        if not self.began.is_set():
            await asyncio.sleep(0.05)  # the others are read and wait by now
            self.began.set()
            self.go_on.wait(WITHIN_S)
        return await super().fetch(version, wanted)
