"""A value that is no record counts as none for its user alone, in every call, and is logged and counted."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
import redis
from live_events import entries_of
from redis_process import RedisProcess

from app.artifact.behaviours import PURCHASE, VIEW
from app.artifact.people import partition_of
from app.artifact.redis_keys import LAYOUT, Keys
from app.artifact.user_records import pack_events, pack_long_vectors
from app.artifact.user_state import UserStates
from app.stores.bundled import BundledStates
from app.stores.damage import EVERY_S, DamageLog
from app.stores.published import RedisModels
from app.stores.redis_gate import RedisGate
from app.stores.redis_link import RedisAddress, open_async
from app.stores.redis_store import RedisUserStore
from app.stores.state import Exclude, NewEvent, StateRequest
from app.stores.state_values import StateValues

VERSION = "2026-11-24T10-00-00-aaaa"
DIM = 16
BROKEN, SOUND = 0x0107, 0x0207  # two users of one partition
NEIGHBOURS = [SOUND, 0x0308]


def vector(dim: int, scale: float = 1.0, weight: float = 2.0) -> bytes:
    ones = np.ones(1, np.float32)
    return pack_long_vectors(np.ones((1, dim), np.int8), ones * scale, ones * weight)[0]


def of_states() -> BundledStates:
    """No users, of vectors of `DIM` dimensions."""
    empty = np.zeros(0)
    offsets = np.zeros(1, np.int64)
    return BundledStates(
        UserStates(
            hashes=empty.astype(np.uint64),
            long_vectors=np.zeros((0, DIM), np.int8),
            long_scales=empty.astype(np.float32),
            long_weights=empty.astype(np.float32),
            event_offsets=offsets,
            event_rows=empty.astype(np.int32),
            event_types=empty.astype(np.uint8),
            event_times=empty,
            seen_offsets=offsets,
            seen_rows=empty.astype(np.int32),
            seen_purchased=empty.astype(np.bool_),
        ),
        np.zeros(1, np.uint64),
    )


@asynccontextmanager
async def opened(server: RedisProcess, keys: Keys) -> AsyncIterator[tuple[RedisUserStore, RedisModels]]:
    with server.client() as client:
        client.set(keys.layout, LAYOUT)
        client.set(keys.marker(VERSION), b"")
        client.hset(keys.models, VERSION, b"{}")
    gate = RedisGate(open_async(RedisAddress(server.url, timeout_s=None)), 5.0, 5.0)
    store = RedisUserStore(gate, keys)
    store.seed(VERSION, of_states())
    await store.start()
    try:
        yield store, RedisModels(gate, keys)
    finally:
        await store.close()


def event(person: int, item: int, time: float, behaviour: int = VIEW, event_id: int | None = None) -> NewEvent:
    return NewEvent(person, event_id or item, item, behaviour, time, b'{"kind": "event"}')


def a_list(client: redis.Redis, key: bytes) -> None:
    client.delete(key)
    client.rpush(key, b"x")


def a_text(value: bytes) -> Callable[[redis.Redis, bytes], Any]:
    def put(client: redis.Redis, key: bytes) -> None:
        client.set(key, value)

    return put


OF_USER = {
    "events": lambda keys: keys.events(BROKEN),
    "seen": lambda keys: keys.seen(BROKEN),
    "purchased": lambda keys: keys.purchased(BROKEN),
    "event_ids": lambda keys: keys.event_ids(BROKEN),
    "long_vector": lambda keys: keys.long_vector(VERSION, BROKEN),
}
DAMAGES = {
    "another type": a_list,
    "a hash": lambda client, key: (client.delete(key), client.hset(key, "a", "b")),
    "short": a_text(b"abc"),
    "empty": a_text(b""),
    "long": a_text(b"\xff" * 1_003),
    "no behaviour": a_text(b"\0" * 104),
    "other dimensions": a_text(vector(DIM + 8)),
    "endless": a_text(vector(DIM, scale=float("inf"))),
    "not a number": a_text(vector(DIM, weight=float("nan"))),
}


def test_of_more_events_than_are_kept_the_newest_are_read() -> None:
    sound = pack_events(
        np.arange(1, 50_001, dtype=np.uint64), np.full(50_000, VIEW, np.uint8), np.arange(1.0, 50_001.0)
    ).tobytes()
    values = StateValues(DamageLog(), keep_events=3, keep_items=5)
    for content in (sound, b"\0" * 130 + sound):
        (state,) = values.states([StateRequest(BROKEN)], [None, content], DIM)
        stored = values.stored(BROKEN, [content, None, None], [])
        assert state is not None
        assert stored is not None
        for items in (state.event_items, stored.event_items):
            assert items.tolist() == [49_998, 49_999, 50_000]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("key", OF_USER)
def test_every_call_bears_every_damage_to_a_users_keys(
    redis_server: RedisProcess, redis_prefix: str, key: str, damage: str
) -> None:
    keys = Keys(redis_prefix.encode())

    async def check(client: redis.Redis) -> None:
        async with opened(redis_server, keys) as (store, _):
            for person in (BROKEN, *NEIGHBOURS):
                await store.append([event(person, 1, 1.0), event(person, 2, 2.0, PURCHASE)])
                client.set(keys.long_vector(VERSION, person), vector(DIM))
            requests = [StateRequest(person, Exclude.SEEN) for person in (SOUND, BROKEN, NEIGHBOURS[1])]
            before = (await store.fetch(VERSION, requests)).states
            break_ = lambda: DAMAGES[damage](client, OF_USER[key](keys))  # noqa: E731
            break_()

            one, broken, other = (await store.fetch(VERSION, requests)).states
            for now, then in ((one, before[0]), (other, before[2])):
                assert now is not None
                assert then is not None
                assert now.long_vector is not None
                assert now.event_items.tolist() == then.event_items.tolist() == [1, 2]
                assert now.long_vector.tolist() == [1.0] * DIM
            if broken is not None:
                assert broken.long_vector is None or np.isfinite(broken.long_vector).all()
                assert np.isfinite(broken.long_weight)
                assert (broken.event_types > 0).all()
            await store.fetch(VERSION, [StateRequest(BROKEN, Exclude.PURCHASED)])
            await store.stored(BROKEN)

            assert await store.append([event(BROKEN, 3, 3.0, event_id=9), event(SOUND, 3, 3.0)]) == [True, True]
            found = await store.stored(BROKEN)
            assert found is not None
            assert found.event_items.tolist()[-1] == 3
            assert 3 in found.seen.tolist()
            assert await store.append([event(BROKEN, 3, 3.0, event_id=9)]) == [False]

            break_()
            await store.merge(BROKEN, 0x0409, b'{"kind": "merge"}')
            await store.append([event(0x050A, 5, 1.0)])
            await store.append([event(BROKEN, 4, 4.0)])
            break_()
            await store.merge(0x050A, BROKEN, b'{"kind": "merge"}')
            found = await store.stored(BROKEN)
            assert found is not None
            assert 5 in found.seen.tolist()
            break_()
            await store.erase(BROKEN, 5.0, b'{"kind": "erase"}')
            assert await store.stored(BROKEN) is None
            assert not store.lagging
            neighbour = await store.stored(SOUND)
            assert neighbour is not None
            assert neighbour.event_items.tolist() == [1, 2, 3]

    with redis_server.client() as client:
        asyncio.run(check(client))


SHARED = {
    "event_stream": lambda keys: keys.event_stream(partition_of(BROKEN)),
    "erased": lambda keys: keys.erased(partition_of(BROKEN)),
    "models": lambda keys: keys.models,
    "impressions": lambda keys: keys.impression_stream,
    "replicas": lambda keys: keys.replicas,
    "old stream": lambda keys: keys.old.event_stream,
    "old erasures": lambda keys: keys.old.erased,
    "layout": lambda keys: keys.layout,
}


@pytest.mark.parametrize("key", SHARED)
def test_every_call_bears_a_key_of_another_type_in_the_place_of_what_all_share(
    redis_server: RedisProcess, redis_prefix: str, key: str
) -> None:
    keys, noted = Keys(redis_prefix.encode()), Counter[str]()

    async def check(client: redis.Redis) -> None:
        async with opened(redis_server, keys) as (store, models):
            store.damage.listeners.append(lambda kind, number: noted.update({kind: number}))
            await store.append([event(BROKEN, 1, 1.0)])
            SHARED[key](keys)
            client.delete(SHARED[key](keys))
            client.set(SHARED[key](keys), b"\xff\xfe")
            await store._watch.look(store._gate._client)
            assert await store.append([event(BROKEN, 2, 2.0), event(SOUND, 2, 2.0)]) == [True, True]
            assert await store.log_impressions([b"{}"]) == 1
            fetched = await store.fetch(VERSION, [StateRequest(BROKEN, Exclude.SEEN)])
            assert fetched.states[0] is not None
            assert fetched.states[0].event_items.tolist() == [1, 2]
            assert await store.stored(SOUND) is not None
            await store.merge(0x0409, SOUND, b'{"kind": "merge"}')
            await store.erase(BROKEN, 5.0, b'{"kind": "erase"}')
            assert store.is_erased(BROKEN)
            await models.published()
            await store._watch.look(store._gate._client)
            assert not store.lagging

    with redis_server.client() as client:
        asyncio.run(check(client))
        if key == "event_stream":
            assert [fields[b"j"] for fields in entries_of(client, keys)][-1] == b'{"kind": "erase"}'
    if key not in ("replicas", "layout"):
        assert noted, key


def test_a_line_is_written_at_once_and_then_every_ten_seconds(caplog: pytest.LogCaptureFixture) -> None:
    now, noted = 0.0, []
    damage = DamageLog(lambda: now)
    damage.listeners.append(lambda kind, number: noted.append((kind, number)))
    for moment in (0.0, 1.0, 2.0, EVERY_S):
        now = moment
        damage.note("events", about="0000000000000001")
    damage.note("items", 3)
    damage.note("items", 0)
    lines = [(record.value, record.number) for record in caplog.records]  # type: ignore[attr-defined]
    assert lines == [("events", 1), ("events", 3), ("items", 3)]
    assert noted == [("events", 1)] * 4 + [("items", 3)]
