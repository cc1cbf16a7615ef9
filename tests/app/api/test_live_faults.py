"""A live catalogue on a Redis that is slow, gone, flushed or killed."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
from quick_services import running_service
from redis_process import RedisProcess
from services_alone import PATIENCE_MS

from app.artifact.redis_keys import Keys
from offline.publishing.publish import PublishConfig, publish

PATIENT = {
    "redis_timeout_ms": 5_000,
    "redis_write_timeout_ms": 5_000,
    "catalogue_wait_ms": 20_000,
    "timeout_ms": PATIENCE_MS,
}
WITHIN_S = 30


def ids(client: httpx.Client, query: str) -> list[str]:
    answer = client.post("/recommend", json={"query": query}).json()
    assert answer["degraded"] == []
    return [item["item_id"] for item in answer["items"]]


def put(client: httpx.Client, item_id: str, title: str) -> int:
    response = client.put(f"/items/{item_id}", json={"title": title})
    assert response.status_code == 200, response.text
    sequence: int = response.json()["sequence"]
    return sequence


def test_nothing_that_was_accepted_is_lost_through_kills_and_a_flush(
    start_redis: Callable[..., AbstractContextManager[RedisProcess]], shop_bundle: Path, tmp_path: Path
) -> None:
    with start_redis() as server:
        with server.client() as redis:
            publish(shop_bundle, redis, Keys(), config=PublishConfig(force="for a test"))
        with (
            running_service(shop_bundle, server.url, **PATIENT) as second,
            httpx.Client(base_url=second.address, timeout=WITHIN_S) as other,
        ):
            with (
                running_service(shop_bundle, server.url, **PATIENT) as first,
                httpx.Client(base_url=first.address, timeout=WITHIN_S) as client,
            ):
                put(client, "one", "Fluxwarble one")
                assert ids(other, "fluxwarble") == ["one"]
                put(client, "two", "Fluxwarble two")
                first.kill()
            assert sorted(ids(other, "fluxwarble")) == ["one", "two"]
            with (
                running_service(shop_bundle, server.url, **PATIENT) as again,
                httpx.Client(base_url=again.address, timeout=WITHIN_S) as client,
            ):
                assert sorted(ids(client, "fluxwarble")) == ["one", "two"]
                assert client.delete("/items/one").status_code == 200
                assert ids(other, "fluxwarble") == ["two"]
                with server.client() as redis:
                    redis.flushall()
                assert ids(other, "fluxwarble") == []
                assert ids(client, "fluxwarble") == []
                put(client, "three", "Fluxwarble three")
                assert ids(other, "fluxwarble") == ["three"]


def test_without_its_store_the_last_view_is_answered_and_said(
    start_redis: Callable[..., AbstractContextManager[RedisProcess]], shop_bundle: Path
) -> None:
    with (
        start_redis() as server,
        running_service(shop_bundle, server.url, redis_timeout_ms=200, redis_write_timeout_ms=300) as service,
        httpx.Client(base_url=service.address, timeout=WITHIN_S) as client,
    ):
        put(client, "one", "Fluxwarble one")
        server.kill()
        answer = client.post("/recommend", json={"query": "fluxwarble"}).json()
        assert [item["item_id"] for item in answer["items"]] == ["one"]
        assert answer["degraded"] == ["catalogue"]
        refused = client.put("/items/two", json={"title": "Fluxwarble two"})
        assert (refused.status_code, refused.json()["code"]) == (503, "store_unavailable")
        assert client.get("/items").status_code == 503
        assert client.get("/items/one").status_code == 200
