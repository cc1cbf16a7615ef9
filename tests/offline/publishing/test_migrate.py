"""What the Aisle before stored is served at once and moved once: no state, event or erasure is lost on the way."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
import redis
from live_events import waiting
from redis_process import RedisProcess

from app.artifact.behaviours import PURCHASE, VIEW
from app.artifact.people import partition_of
from app.artifact.redis_keys import LAYOUT, Keys, version_tag
from app.artifact.replica_record import ReplicaRecord
from app.artifact.stream_records import FIELD
from app.artifact.user_records import pack_events, pack_items, pack_long_vectors
from app.stores.published import RedisModels
from app.stores.redis_gate import RedisGate
from app.stores.redis_link import RedisAddress, open_async
from app.stores.redis_store import RedisUserStore
from app.stores.state import Counts, Exclude, NewEvent, StateRequest, UserState
from offline.errors import MigrationRefused
from offline.publishing.layout import is_migrated, mark_layout
from offline.publishing.migrate import NOTHING, MigrateConfig, migrate

Offline = Callable[..., subprocess.CompletedProcess[str]]
VERSION = "2026-11-24T10-00-00-aaaa"
DIM = 16
USERS = [0x1000 + 37 * number for number in range(60)]
GONE = 0xDEAD


@asynccontextmanager
async def opened(server: RedisProcess, keys: Keys) -> AsyncIterator[RedisUserStore]:
    store = RedisUserStore(RedisGate(open_async(RedisAddress(server.url, timeout_s=None)), 5.0, 5.0), keys)
    await store.start()
    try:
        yield store
    finally:
        await store.close()


def records(*events: tuple[int, int, float]) -> bytes:
    items, types, times = zip(*events, strict=True)
    packed = pack_events(np.array(items, np.uint64), np.array(types, np.uint8), np.array(times, np.float64))
    return packed.tobytes()


def items(*hashes: int) -> bytes:
    return pack_items(np.array(hashes, np.uint64))


def stored_before(client: redis.Redis, keys: Keys) -> None:
    """What the Aisle before wrote of `USERS`: three events each, sets, ids, a vector; a year to live."""
    old = keys.old
    client.set(keys.marker(VERSION), b"1")
    client.hset(keys.models, VERSION, b"{}")
    vector = pack_long_vectors(np.ones((1, DIM), np.int8), np.ones(1, np.float32), np.ones(1, np.float32))[0]
    for user in USERS:
        events, seen, purchased, ids = old.state(user)
        client.set(events, records((1, VIEW, 1.0), (2, PURCHASE, 2.0), (user, VIEW, 3.0)), ex=1_000)
        client.set(seen, items(1, 2, user), ex=1_000)
        client.set(purchased, items(2), ex=1_000)
        client.set(ids, items(11, 12, 13), ex=500)
        client.set(old.long_vector(VERSION, user), vector)
        client.xadd(old.event_stream, {FIELD: b"{}"})
    client.hset(old.erased, GONE.to_bytes(8, "little"), "5.0")


async def states(store: RedisUserStore) -> list[Any]:
    """Everything that is told of `USERS`."""
    told = []
    for exclude in Exclude:
        found = await store.fetch(VERSION, [StateRequest(user, exclude) for user in USERS])
        assert found.is_whole
        told += [document_of(state) for state in found.states]
    return told


def document_of(state: UserState | None) -> Any:
    assert state is not None
    assert state.long_vector is not None
    past = None if state.excluded_items is None else sorted(state.excluded_items.tolist())
    return (
        state.long_vector.tolist(), state.long_weight, state.event_items.tolist(), state.event_types.tolist(),
        state.event_times.tolist(), past,
    )  # fmt: skip


def event(user: int, item: int, time: float, event_id: int) -> NewEvent:
    return NewEvent(user, event_id, item, VIEW, time, b'{"kind": "event"}')


def test_what_is_stored_is_served_before_and_after_and_what_comes_meanwhile_is_kept(
    client: redis.Redis, keys: Keys, redis_server: RedisProcess
) -> None:
    stored_before(client, keys)
    first, second = USERS[:2]

    async def check() -> None:
        async with opened(redis_server, keys) as store:
            before = await states(store)
            assert store.waiting_events == len(USERS)
            assert store.is_erased(GONE)
            assert before[0][2] == [1, 2, first]
            assert await store.append([event(first, 9, 4.0, 12), event(first, 9, 4.0, 14)]) == [False, True]
            client.set(keys.old.state(second)[0], records((1, VIEW, 1.0), (7, VIEW, 8.0)))  # by a replica of before
            during = await states(store)
            assert during[0][2] == [1, 2, first, 9]
            assert during[1][2] == [1, 7]
            lines: list[str] = []
            result = await asyncio.to_thread(migrate, client, keys, say=lines.append)
            assert (result.users, result.erasures, result.damaged, result.waiting) == (len(USERS), 0, 0, len(USERS))
            assert lines == [
                f"{len(USERS)} events wait in the old stream: `aisle-offline collect` takes them with the others"
            ]
            assert await states(store) == during  # before the store has noticed
            while store._watch.migration_pending:
                await asyncio.sleep(0.05)
            assert await states(store) == during
            assert await store.append([event(second, 9, 9.0, 13)]) == [False]

    asyncio.run(check())
    left = [key for pattern in keys.old.patterns for key in client.scan_iter(match=pattern)]
    assert left == []
    assert not client.exists(keys.old.erased)
    assert 500 < client.ttl(keys.events(USERS[5])) <= 1_000
    assert 0 < client.ttl(keys.event_ids(USERS[5])) <= 500
    assert client.ttl(keys.long_vector(VERSION, USERS[5])) == -1
    assert client.hget(keys.erased(partition_of(GONE)), GONE.to_bytes(8, "little")) == b"5.0"
    assert waiting(client, keys) == 1
    lines: list[str] = []
    assert migrate(client, keys, say=lines.append).users == 0
    assert lines == [NOTHING]


def test_a_merge_and_an_erasure_reach_what_is_stored_in_the_layout_before(
    client: redis.Redis, keys: Keys, redis_server: RedisProcess
) -> None:
    stored_before(client, keys)
    user, visitor = USERS[0], 0xABCDEF

    async def check() -> None:
        async with opened(redis_server, keys) as store:
            await store.append([event(visitor, 5, 9.0, 1)])
            assert await store.merge(visitor, user, b"{}") == Counts(1, 1, 0)
            found = await store.stored(user)
            assert found is not None
            assert found.event_items.tolist() == [1, 2, user, 5]
            assert found.long_vector_versions == [VERSION]
            assert await store.erase(user, 10.0, b"{}") == Counts(4, 4, 1, 1)
            assert await store.stored(user) is None

    asyncio.run(check())
    assert client.hget(keys.old.erased, user.to_bytes(8, "little")) == b"10.0"  # replicas of before learn of it
    assert not client.exists(*keys.old.state(user), keys.old.long_vector(VERSION, user))
    migrate(client, keys)
    assert not client.exists(keys.events(user), keys.long_vector(VERSION, user))


def test_whom_a_replica_of_before_erases_does_not_come_back(
    client: redis.Redis, keys: Keys, redis_server: RedisProcess
) -> None:
    stored_before(client, keys)
    gone, back = USERS[:2]

    async def check() -> None:
        async with opened(redis_server, keys) as store:
            await store.append([event(gone, 9, 4.0, 14), event(back, 9, 4.0, 14)])
            for user in (gone, back):
                client.unlink(*keys.old.state(user), keys.old.long_vector(VERSION, user))
                client.hset(keys.old.erased, user.to_bytes(8, "little"), "20.0")
            while not store.is_erased(gone) or client.exists(keys.events(gone)):
                await asyncio.sleep(0.05)
            assert await store.stored(gone) is None
            await store.append([event(back, 8, 30.0, 15)])

    asyncio.run(check())
    migrate(client, keys)
    assert not client.exists(keys.events(gone))
    assert client.get(keys.seen(back)) == items(8)


def test_while_replicas_of_before_run_nothing_is_moved(
    client: redis.Redis, keys: Keys, redis_server: RedisProcess
) -> None:
    stored_before(client, keys)
    client.sadd(keys.replicas, "old")
    client.set(keys.replica("old"), json.dumps({"version": VERSION, "time": 1.0, "refused": {}}))
    with pytest.raises(MigrationRefused, match="got 1 of the one before"):
        migrate(client, keys)
    assert client.exists(keys.old.state(USERS[0])[0])

    async def announce() -> None:
        gate = RedisGate(open_async(RedisAddress(redis_server.url, timeout_s=None)), 5.0, 5.0)
        await RedisModels(gate, keys).announce("new", ReplicaRecord(version=VERSION, time=1.0))
        await gate.close()

    asyncio.run(announce())
    client.delete(keys.replica("old"))
    assert migrate(client, keys).users == len(USERS)


class Stopped(Exception):
    """Somebody pulled the plug."""


def test_a_migration_that_is_stopped_goes_on_when_it_is_repeated(
    client: redis.Redis, keys: Keys, redis_server: RedisProcess
) -> None:
    stored_before(client, keys)

    async def told() -> list[Any]:
        async with opened(redis_server, keys) as store:
            return await states(store)

    before, stops = asyncio.run(told()), 0

    def stop(done: int, total: int, what: str) -> None:
        nonlocal stops
        stops += 1
        if stops % 3 == 0:
            raise Stopped

    while not is_migrated(client, keys):
        try:
            migrate(client, keys, config=MigrateConfig(at_once=7), progress=stop)
        except Stopped:
            assert asyncio.run(told()) == before
    assert stops > 5
    assert asyncio.run(told()) == before


def test_damaged_values_of_before_and_vectors_of_forgotten_versions_stop_nothing(
    client: redis.Redis, keys: Keys
) -> None:
    stored_before(client, keys)
    first, second, third = USERS[:3]
    client.set(keys.old.state(first)[0], b"short")
    client.delete(keys.old.state(second)[1])
    client.rpush(keys.old.state(second)[1], b"x")
    client.hset(keys.old.erased, b"no hash", "x")
    client.hset(keys.old.erased, third.to_bytes(8, "little"), "no time")
    stray = keys.prefix + b"v" + bytes(255 - byte for byte in version_tag(VERSION)) + first.to_bytes(8, "little")
    client.set(stray, b"x")
    result = migrate(client, keys)
    assert (result.damaged, result.erasures) == (2, 2)
    assert not client.exists(keys.events(first), keys.seen(second), stray)
    assert client.get(keys.seen(first)) == items(1, 2, first)


def test_a_store_that_never_had_the_layout_before_is_marked_at_once_and_another_is_not(
    client: redis.Redis, keys: Keys
) -> None:
    client.set(keys.old.state(1)[0], b"x" * 13)
    assert not mark_layout(client, keys)
    client.delete(keys.old.state(1)[0])
    assert mark_layout(client, keys)
    assert client.get(keys.layout) == b"%d" % LAYOUT


def test_the_command_moves_and_says_what(
    client: redis.Redis, keys: Keys, redis_server: RedisProcess, offline: Offline
) -> None:
    stored_before(client, keys)
    command = ("migrate", "--redis", redis_server.url, "--prefix", keys.prefix.decode())
    done = offline(*command)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["users"] == len(USERS)
    again = offline(*command)
    assert (again.returncode, NOTHING in again.stderr + again.stdout) == (0, True)
