"""Requests that are given up halfway: nobody else gets their answer, and what they began is finished or undone."""

import asyncio
import json
from dataclasses import asdict, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from canary import Asked, Canary, Tally, count, sing
from fault_proxy import FaultProxy
from http_connection import HttpAnswer
from redis_process import RedisProcess

from app.artifact.behaviours import VIEW
from app.artifact.hashing import stable_hash
from app.artifact.redis_keys import Keys
from app.stores.redis_gate import RedisGate
from app.stores.redis_link import RedisAddress, open_async
from app.stores.redis_store import RedisUserStore
from app.stores.state import Exclude, NewEvent, StateRequest

VERSION = "2026-11-24T10-00-00-aaaa"
LATEST_S = 0.01  # of a reply
WITHIN_S = 20.0
REQUESTS = 3_000
MINE = Canary("u1", "p1")


def test_no_answer_is_of_somebody_else_while_clients_leave_and_redis_is_late(shop_bundle: Path) -> None:
    tally = sing(shop_bundle, requests=REQUESTS, connections=32, seed=1)
    assert (tally.foreign, tally.errors) == (0, 0), tally.first_wrong
    assert tally.answered + tally.cancelled == tally.requests == REQUESTS
    # All of it happened: users were told of their own, clients left, and exchanges with Redis were given up.
    assert min(tally.personal, tally.cancelled) > REQUESTS / 10, asdict(tally)
    assert min(tally.degraded, tally.refused) > 0, asdict(tally)


RECOMMENDED = {"request_id": "r1", "degraded": [], "items": [{"reasons": [{"kind": "viewed", "item_id": "p1"}]}]}
PREDICTED = {"request_id": "r1", "degraded": [], "items": [{"item_id": "p1"}], "unknown_item_ids": []}
STORED = {"user_id": "u1", "events": [{"item_id": "p1"}], "seen": 1}


@pytest.mark.parametrize(
    ("path", "document", "field"),
    [
        ("/recommend", RECOMMENDED, "personal"),
        ("/recommend", RECOMMENDED | {"items": [{"reasons": [{"item_id": "p2"}, {"item_id": "p1"}]}]}, "foreign"),
        ("/recommend", RECOMMENDED | {"request_id": "r2"}, "foreign"),
        ("/recommend", RECOMMENDED | {"items": [{"reasons": [{"kind": "popular"}]}]}, "errors"),
        ("/recommend", RECOMMENDED | {"items": [], "degraded": ["user_state"]}, "degraded"),
        ("/predict", PREDICTED, "personal"),
        ("/predict", PREDICTED | {"items": [{"item_id": "p2"}]}, "foreign"),
        ("/predict", PREDICTED | {"items": [], "unknown_item_ids": ["p2"]}, "foreign"),
        ("/users/u1", STORED, "personal"),
        ("/users/u1", STORED | {"user_id": "u2"}, "foreign"),
        ("/users/u1", STORED | {"events": [{"item_id": "p1"}, {"item_id": "p2"}]}, "foreign"),
        ("/users/u1", STORED | {"events": []}, "errors"),
    ],
)
def test_an_answer_of_somebody_else_would_be_found(path: str, document: dict[str, Any], field: str) -> None:
    tally = Tally()
    asked = Asked("r1", MINE, "GET", path)
    answer = HttpAnswer(200, {"x-request-id": "r1"}, json.dumps(document).encode())
    count(asked, answer, tally)
    assert replace(tally, first_wrong="") == replace(Tally(), **{field: 1})
    count(asked, replace(answer, headers={"x-request-id": "r2"}), tally)
    assert tally.foreign == (2 if field == "foreign" else 1)


def test_tasks_cancelled_while_they_wait_for_redis_leave_no_reply_to_others(
    redis_server: RedisProcess, redis_prefix: str
) -> None:
    """Four connections, so that nearly every one of them is used again right after it was given up."""
    rng = Random(0)
    users, keys = [stable_hash(f"u{number}") for number in range(200)], Keys(redis_prefix.encode())
    with redis_server.client() as client:
        client.set(keys.marker(VERSION), b"")

    def event_of(user: int) -> NewEvent:
        event_id = rng.getrandbits(64)
        return NewEvent(user, event_id, user, VIEW, 1.0, b"{}")  # the item of a user is named like the user

    async def items_told(store: RedisUserStore, user: int) -> set[int]:
        """The items that one exchange of any kind tells of the user."""
        draw = rng.random()
        if draw < 0.3:
            assert await store.append([event_of(user)]) == [True]
            return {user}
        if draw < 0.6:
            stored = await store.stored(user)
            assert stored is not None
            return {*stored.event_items.tolist(), *stored.seen.tolist()}
        (state,) = (await store.fetch(VERSION, [StateRequest(user, Exclude.SEEN)])).states
        assert state is not None
        assert state.excluded_items is not None
        return {*state.event_items.tolist(), *state.excluded_items.tolist()}

    async def is_told(store: RedisUserStore, user: int) -> bool:
        """Whether an exchange came to its end; what it told must be the user's."""
        task = asyncio.create_task(items_told(store, user))
        if rng.random() < 0.5:
            await asyncio.sleep(rng.random() * LATEST_S * 2)
            task.cancel()
        try:
            assert await task == {user}
        except asyncio.CancelledError:
            return False
        return True

    async def check(proxy: FaultProxy) -> None:
        address = RedisAddress(proxy.url, timeout_s=None, pool=4)
        store = RedisUserStore(RedisGate(open_async(address), WITHIN_S, WITHIN_S), keys)
        await store.start()
        try:
            assert await store.append([event_of(user) for user in users]) == [True] * len(users)
            late = Random(1)
            proxy.slow(lambda: late.random() * LATEST_S)
            for _ in range(5):
                told = await asyncio.gather(*(is_told(store, rng.choice(users)) for _ in range(200)))
                assert 50 < sum(told) < 190
            proxy.work()
            found = (await store.fetch(VERSION, [StateRequest(user) for user in users])).states
            assert [set(state.event_items.tolist()) for state in found if state] == [{user} for user in users]
        finally:
            await store.close()

    with FaultProxy(redis_server.port) as proxy:
        asyncio.run(check(proxy))
