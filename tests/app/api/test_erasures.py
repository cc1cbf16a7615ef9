"""Whom a service has forgotten stays forgotten: after restarts, without Redis, on the page, and with later bundles."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from quick_services import running_service
from redis_process import RedisProcess

from app.artifact.bundle_store import resolve
from app.artifact.erasures import ERASURES, read_erasures
from app.artifact.manifest import read_manifest
from app.artifact.people import user_hash, visitor_hash
from app.artifact.redis_keys import Keys
from offline.publishing.publish import PublishConfig, publish

WITHIN_S = 20.0
StartRedis = Callable[..., AbstractContextManager[RedisProcess]]


@pytest.fixture
def store(shop_bundle: Path, tmp_path: Path) -> Path:
    """A store of this test's own with the shop's bundle, never published."""
    copy = tmp_path / "bundle"
    shutil.copytree(shop_bundle, copy, ignore=shutil.ignore_patterns(f"*{ERASURES}*"))
    return copy


@pytest.fixture
def known(store: Path) -> list[str]:
    """Users of the bundle with a past."""
    return read_manifest(resolve(store)).sample_users


@pytest.fixture
def client() -> Iterator[Callable[[str], httpx.Client]]:
    """Makes clients of services."""
    clients: list[httpx.Client] = []

    def make(address: str) -> httpx.Client:
        clients.append(httpx.Client(base_url=address, timeout=WITHIN_S))
        return clients[-1]

    yield make
    for each in clients:
        each.close()


def ids(client: httpx.Client, **who: Any) -> list[str]:
    answer = client.post("/recommend", json=who)
    assert answer.status_code == 200
    return [item["item_id"] for item in answer.json()["items"]]


def test_in_the_process_an_erasure_outlives_it(
    store: Path, known: list[str], client: Callable[[str], httpx.Client]
) -> None:
    with running_service(store, clock="bundle") as service:
        shop = client(service.address)
        popular, before = ids(shop), ids(shop, user_id=known[1])
        assert ids(shop, user_id=known[0]) != popular
        assert known[0] in shop.get("/demo/users").json()["users"]
        receipt = shop.delete(f"/users/{known[0]}").json()
        assert (receipt["kind"], receipt["durable"]) == ("user", True)
        assert "after a restart neither" in receipt["note"]
        assert known[0] not in shop.get("/demo/users").json()["users"]
        service.kill()
    with running_service(store, clock="bundle") as service:
        shop = client(service.address)
        assert ids(shop, user_id=known[0]) == popular
        assert shop.get(f"/users/{known[0]}").status_code == 404
        assert known[0] not in shop.get("/demo/users").json()["users"]
        assert ids(shop, user_id=known[1]) == before
        earlier = datetime.fromisoformat(receipt["erased_at"]) - timedelta(hours=1)
        late = {"type": "view", "user_id": known[0], "item_id": popular[0], "time": earlier.isoformat()}
        assert shop.post("/events", json=late).json()["duplicates"] == 1
        assert shop.get(f"/users/{known[0]}").status_code == 404


def test_in_the_process_a_merged_visitor_goes_with_the_user(
    store: Path, item_ids: list[str], client: Callable[[str], httpx.Client]
) -> None:
    with running_service(store, clock="bundle") as service:
        shop = client(service.address)
        shop.post("/events", json={"type": "view", "visitor_id": "v1", "item_id": item_ids[0]})
        assert shop.post("/users/u-new/merge", json={"visitor_id": "v1"}).json()["merged"]["events"] == 1
        assert shop.delete("/users/u-new").json()["removed"]["events"] == 1
    assert set(read_erasures(store)) == {user_hash("u-new"), visitor_hash("v1")}


@pytest.mark.skipif(os.geteuid() == 0, reason="everything can be written by root")
def test_where_nothing_can_be_written_the_receipt_says_so(
    store: Path, known: list[str], client: Callable[[str], httpx.Client]
) -> None:
    store.chmod(0o555)
    try:
        with running_service(store, clock="bundle") as service:
            receipt = client(service.address).delete(f"/users/{known[0]}").json()
    finally:
        store.chmod(0o755)
    assert receipt["durable"] is False
    assert "cannot be written" in receipt["note"]


def test_where_the_list_cannot_be_one_the_receipt_says_so(
    store: Path, known: list[str], client: Callable[[str], httpx.Client]
) -> None:
    with running_service(store, clock="bundle") as service:
        (store / ERASURES).mkdir()
        receipt = client(service.address).delete(f"/users/{known[0]}").json()
    assert receipt["durable"] is False
    assert "until it ends" in receipt["note"]
    with pytest.raises(RuntimeError, match="the list of erasures cannot be read"), running_service(store):
        pass


def test_started_while_redis_is_down_no_past_of_an_erased_user_comes_back(
    store: Path, known: list[str], start_redis: StartRedis, client: Callable[[str], httpx.Client]
) -> None:
    settings = {"clock": "bundle", "redis_timeout_ms": 2_000}
    with start_redis("--appendonly", "yes") as server:
        with server.client() as redis_client:
            publish(store, redis_client, Keys(), config=PublishConfig(force="for a test"))
        with (
            running_service(store, server.url, **settings) as first,
            running_service(store, server.url, **settings) as other,
        ):
            shop = client(first.address)
            popular = ids(shop)
            receipt = shop.delete(f"/users/{known[0]}").json()
            assert receipt["durable"] is True
            assert "while Redis is down" in receipt["note"]
            assert client(other.address).get("/readyz").status_code == 200
        server.kill()
        with running_service(store, server.url, **settings) as service:
            shop = client(service.address)
            answer = shop.post("/recommend", json={"user_id": known[0]}).json()
            assert answer["degraded"] == ["user_state", "catalogue"]
            assert [item["item_id"] for item in answer["items"]] == popular
            assert ids(shop, user_id=known[1]) != popular  # who was not erased is known
            users = shop.get("/demo/users").json()["users"]
            assert known[0] not in users
            assert known[1] in users


def test_a_replica_that_cannot_know_who_was_erased_uses_no_past_until_it_does(
    store: Path, known: list[str], start_redis: StartRedis, client: Callable[[str], httpx.Client]
) -> None:
    with start_redis() as server:
        server.kill()
        with running_service(store, server.url, clock="bundle") as service:  # of a bundle without a list
            shop = client(service.address)
            answer = shop.post("/recommend", json={"user_id": known[0]}).json()
            assert answer["degraded"] == ["user_state", "catalogue"]
            assert [item["item_id"] for item in answer["items"]] == ids(shop)
            assert shop.get("/demo/users").json()["users"] == []
            server.start()
            deadline = time.monotonic() + WITHIN_S
            while ids(shop, user_id=known[0]) == ids(shop):
                assert time.monotonic() < deadline, "the past never came back"
                time.sleep(0.05)
            assert known[0] in shop.get("/demo/users").json()["users"]


def test_a_replica_writes_down_what_others_erased(
    store: Path, known: list[str], start_redis: StartRedis, client: Callable[[str], httpx.Client], tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(store, elsewhere)
    with start_redis() as server, running_service(store, server.url), running_service(elsewhere, server.url) as other:
        client(other.address).delete(f"/users/{known[0]}")
        deadline = time.monotonic() + WITHIN_S
        while user_hash(known[0]) not in read_erasures(store):
            assert time.monotonic() < deadline, "it was never written down"
            time.sleep(0.05)
