"""A Redis that may drop what it was given says so before it does: in the log, to balancers, operators and callers."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
from quick_services import running_service
from redis_process import RedisProcess

Start = Callable[..., AbstractContextManager[RedisProcess]]


def test_a_policy_that_drops_events_is_said_everywhere(
    start_redis: Start, shop_bundle: Path, item_ids: list[str]
) -> None:
    event = {"type": "view", "user_id": "u", "item_id": item_ids[0]}
    with (
        start_redis("--appendonly", "yes", "--maxmemory-policy", "allkeys-lru") as server,
        running_service(shop_bundle, server.url) as service,
        httpx.Client(base_url=service.address) as client,
    ):
        (warning,) = client.get("/readyz").json()["store_warnings"]
        assert "allkeys-lru" in warning
        assert "set maxmemory-policy noeviction" in warning
        assert "aisle_store_warnings 1.0" in client.get("/metrics").text
        assert client.post("/events", json=event).json()["durable"] is False
        assert warning in service.log.read_text()
