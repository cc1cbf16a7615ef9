"""A service that listens before it has a bundle: what it answers until then, and that it becomes the real one."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import httpx
import pytest
from starlette.applications import Starlette
from starlette.types import ASGIApp

from app.api.startup import LOADING, StartupApplication
from app.errors import BundleCorrupt, BundleMissing, SettingsError
from app.stores.memory import MemoryUserStore
from app.telemetry.metrics import Metrics

Listening = Callable[[ASGIApp], AbstractContextManager[httpx.Client]]
WITHIN_S = 30


class LivingStore(MemoryUserStore):
    """Knows whether its background work is under way."""

    is_running = False

    async def start(self) -> None:
        self.is_running = True

    async def close(self) -> None:
        self.is_running = False


def no_failure() -> None:
    pytest.fail("it gave up")


def never() -> Starlette:
    raise BundleMissing("no bundle here")


def after(*refusals: Exception, then: Callable[[], Starlette]) -> Callable[[], Starlette]:
    """Refuses so often, then makes the real one."""
    left: Iterator[Exception] = iter(refusals)

    def make() -> Starlette:
        for refusal in left:
            raise refusal
        return then()

    return make


def until(client: httpx.Client, status: int) -> httpx.Response:
    """The first answer of `/readyz` with that status."""
    deadline = time.monotonic() + WITHIN_S
    while (response := client.get("/readyz")).status_code != status:
        assert time.monotonic() < deadline, response.text
    return response


def test_until_there_is_a_bundle_it_lives_is_not_ready_and_says_to_ask_again(listening: Listening) -> None:
    with listening(StartupApplication(never, 0.01, Metrics(), no_failure)) as client:
        assert client.get("/livez").json() == {"status": "alive", "model_version": None}
        ready = client.get("/readyz")
        assert ready.status_code == 503
        assert ready.json()["status"] == "waiting"
        assert ready.json()["reason"] in {LOADING, "no bundle here"}
        for method, path in (("POST", "/recommend"), ("GET", "/"), ("DELETE", "/users/u"), ("GET", "/nowhere")):
            answer = client.request(method, path, headers={"X-Request-ID": "mine"})
            assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
            assert answer.headers["retry-after"] == "1"
            assert answer.json()["request_id"] == answer.headers["x-request-id"] == "mine"
        assert 'status="503"' in client.get("/metrics").text


def test_it_becomes_the_real_one_with_its_background_work(
    application_of: Callable[..., Starlette], listening: Listening
) -> None:
    store = LivingStore()
    go_on = threading.Event()

    def make() -> Starlette:
        if not go_on.is_set():
            raise BundleMissing("no bundle here")
        return application_of(store)

    with listening(StartupApplication(make, 0.01, Metrics(), no_failure)) as client:
        assert client.post("/recommend", json={}).status_code == 503
        assert not store.is_running
        go_on.set()
        until(client, 200)
        assert store.is_running
        assert client.post("/recommend", json={}).status_code == 200
    assert not store.is_running


def test_a_bundle_that_is_refused_is_named_and_another_waited_for(
    application_of: Callable[..., Starlette], listening: Listening
) -> None:
    metrics = Metrics()
    make = after(*[BundleCorrupt("spoiled")] * 5, then=application_of)
    with listening(StartupApplication(make, 0.01, metrics, no_failure, retry_refused_s=0.1)) as client:
        reasons = set()
        deadline = time.monotonic() + WITHIN_S
        while (response := client.get("/readyz")).status_code == 503:
            reasons.add(response.json()["reason"])
            assert time.monotonic() < deadline
    assert "spoiled" in reasons
    assert b'aisle_bundle_loads_total{outcome="refused"} 1.0' in metrics.exposition()


def test_what_waiting_does_not_mend_ends_it(listening: Listening) -> None:
    gave_up = threading.Event()
    make = after(SettingsError("wrong"), then=never)
    late = StartupApplication(make, 0.01, Metrics(), gave_up.set)
    with listening(late):
        assert gave_up.wait(WITHIN_S)
    assert isinstance(late.failure, SettingsError)


def test_told_to_end_it_waits_no_longer(listening: Listening) -> None:
    began = time.monotonic()
    with listening(StartupApplication(never, 3_600.0, Metrics(), no_failure)) as client:
        client.get("/livez")
    assert time.monotonic() - began < WITHIN_S
