"""One damaged value in Redis changes nobody else's answer, and its own user is answered like somebody new."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
from redis_process import RedisProcess
from starlette.applications import Starlette

from app.artifact.people import user_hash
from app.artifact.redis_keys import Keys
from app.serving.services import FollowOptions, Services
from app.stores.published import RedisModels
from app.stores.redis_gate import RedisGate
from app.stores.redis_link import RedisAddress, open_async
from app.stores.redis_store import RedisUserStore
from offline.publishing.publish import PublishConfig, publish

ASKED = 24


def test_of_users_who_share_a_run_only_the_one_with_the_damaged_value_is_answered_otherwise(
    redis_server: RedisProcess,
    redis_prefix: str,
    shop_bundle: Path,
    users: list[str],
    item_ids: list[str],
    services_of: Callable[..., Services],
    application_of: Callable[..., Starlette],
    listening: Callable[[Starlette], AbstractContextManager[httpx.Client]],
) -> None:
    keys, asked = Keys(redis_prefix.encode()), users[:ASKED]
    broken = asked[0]
    with redis_server.client() as admin:
        version = publish(shop_bundle, admin, keys, config=PublishConfig(force="for a test")).version
        gate = RedisGate(open_async(RedisAddress(redis_server.url, timeout_s=None)), 5.0, 5.0)
        services = services_of(RedisUserStore(gate, keys), FollowOptions(RedisModels(gate, keys), shop_bundle))
        with listening(application_of(services=services)) as client:

            def ask(user: str) -> tuple[list[str], list[str]]:
                body = {"user_id": user, "exclude": "seen", "timeout_ms": 10_000}
                response = client.post("/recommend", json=body)
                assert response.status_code == 200, response.text
                document: dict[str, Any] = response.json()
                return [item["item_id"] for item in document["items"]], document["degraded"]

            def ask_all() -> list[tuple[list[str], list[str]]]:
                with ThreadPoolExecutor(8) as pool:
                    return list(pool.map(ask, asked))

            before = ask_all()
            person = user_hash(broken)
            for key in (keys.events(person), keys.seen(person), keys.long_vector(version, person)):
                admin.set(key, b"damaged")
            admin.hset(keys.models, b"\xff\xfe", b"\xff")
            after = ask_all()
            assert after[1:] == before[1:]
            assert after[0] == ask("somebody new")
            event = {"type": "view", "user_id": broken, "item_id": item_ids[0], "event_id": "e"}
            assert client.post("/events", json=event).json()["accepted"] == 1
            assert [each["item_id"] for each in client.get(f"/users/{broken}").json()["events"]] == [item_ids[0]]
            assert client.get("/models").status_code == 200
            text = client.get("/metrics").text
            assert 'aisle_damaged_values_total{value="long_vector"} 0.0' not in text
            assert 'aisle_damaged_values_total{value="models"} 0.0' not in text
            assert client.delete(f"/users/{broken}").status_code == 200
