"""A merge goes over two partitions: stopped at any step, and done again, it loses nothing and counts nothing twice."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
import redis
from live_events import entries_of
from redis_process import RedisProcess

from app.artifact.behaviours import PURCHASE, VIEW
from app.artifact.people import partition_of, user_hash, visitor_hash
from app.artifact.redis_keys import LAYOUT, Keys
from app.artifact.stream_records import FIELD
from app.errors import StoreUnavailable
from app.stores import redis_merge
from app.stores.redis_gate import RedisGate
from app.stores.redis_link import RedisAddress, open_async
from app.stores.redis_merge import EVENT_IDS_S
from app.stores.redis_scripts import ADOPT, LEAVE, ScriptCall, run_scripts
from app.stores.redis_store import RedisUserStore
from app.stores.state import Counts, NewEvent

USER, VISITOR = user_hash("ada"), visitor_hash("v1")
STEPS = 3  # scripts of a merge: read, copy, and write down and forget
MERGE = json.dumps({"kind": "merge"}).encode()


@asynccontextmanager
async def opened(server: RedisProcess, keys: Keys) -> AsyncIterator[RedisUserStore]:
    with server.client() as client:
        client.set(keys.layout, LAYOUT)
    store = RedisUserStore(RedisGate(open_async(RedisAddress(server.url, timeout_s=None)), 5.0, 5.0), keys)
    await store.start()
    try:
        yield store
    finally:
        await store.close()


def event(person: int, item: int, time: float, behaviour: int = VIEW) -> NewEvent:
    return NewEvent(person, item, item, behaviour, time, json.dumps({"kind": "event", "item": item}).encode())


async def fill(store: RedisUserStore) -> None:
    await store.append([event(USER, 1, 1.0), event(USER, 2, 5.0)])
    await store.append([event(VISITOR, 2, 3.0), event(VISITOR, 3, 4.0, PURCHASE)])


def kinds(server: RedisProcess, keys: Keys) -> list[str]:
    """The kinds of the entries that wait."""
    with server.client() as client:
        return [json.loads(fields[FIELD])["kind"] for fields in entries_of(client, keys)]


async def check_merged(store: RedisUserStore, server: RedisProcess, keys: Keys) -> None:
    found = await store.stored(USER)
    assert found is not None
    assert found.event_items.tolist() == [1, 2, 3, 2]
    assert sorted(found.seen.tolist()) == [1, 2, 3]
    assert found.purchased.tolist() == [3]
    assert await store.stored(VISITOR) is None
    assert kinds(server, keys).count("merge") == 1


@pytest.mark.parametrize("is_done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", range(STEPS))
def test_stopped_at_any_step_a_merge_is_whole_when_it_is_done_again(
    redis_server: RedisProcess, redis_prefix: str, monkeypatch: pytest.MonkeyPatch, step: int, *, is_done: bool
) -> None:
    keys, calls = Keys(redis_prefix.encode()), 0

    async def stop_at_step(gate: RedisGate, scripts: Sequence[ScriptCall]) -> list[Any]:
        """As a process that is killed there: whoever asked gets no answer."""
        nonlocal calls
        calls += 1
        results = await run_scripts(gate, scripts) if calls <= step or is_done or calls > step + 1 else []
        if calls == step + 1:
            raise StoreUnavailable("killed")
        return results

    async def check() -> None:
        async with opened(redis_server, keys) as store:
            await fill(store)
            monkeypatch.setattr(redis_merge, "run_scripts", stop_at_step)
            with pytest.raises(StoreUnavailable):
                await store.merge(VISITOR, USER, MERGE)
            has_left = step == STEPS - 1 and is_done
            assert (await store.stored(VISITOR) is None) is has_left  # nothing is lost in between
            assert kinds(redis_server, keys).count("merge") == has_left
            for _ in range(2):
                await store.merge(VISITOR, USER, MERGE)
            await check_merged(store, redis_server, keys)

    asyncio.run(check())


def during_merge(monkeypatch: pytest.MonkeyPatch, script: object, act: Callable[[], Any]) -> None:
    """Lets `act` happen once, after the first call of a script."""
    has_acted = False

    async def run_and_act(gate: RedisGate, scripts: Sequence[ScriptCall]) -> list[Any]:
        nonlocal has_acted
        results = await run_scripts(gate, scripts)
        if scripts[0].script is script and not has_acted:
            has_acted = True
            await act()
        return results

    monkeypatch.setattr(redis_merge, "run_scripts", run_and_act)


@pytest.mark.parametrize("script", [LEAVE, ADOPT], ids=["before the copy", "after the copy"])
def test_an_event_that_comes_during_a_merge_moves_along(
    redis_server: RedisProcess, redis_prefix: str, monkeypatch: pytest.MonkeyPatch, script: object
) -> None:
    keys = Keys(redis_prefix.encode())

    async def check() -> None:
        async with opened(redis_server, keys) as store:
            await fill(store)
            during_merge(monkeypatch, script, lambda: store.append([event(VISITOR, 4, 9.0)]))
            assert await store.merge(VISITOR, USER, MERGE) == Counts(3, 2, 1)
            found = await store.stored(USER)
            assert found is not None
            assert found.event_items.tolist() == [1, 2, 3, 2, 4]
            assert await store.stored(VISITOR) is None
            assert kinds(redis_server, keys) == ["event"] * 5 + ["merge"]

    asyncio.run(check())


@pytest.mark.parametrize("script", [LEAVE, ADOPT], ids=["before the copy", "after the copy"])
def test_a_visitor_who_is_erased_during_a_merge_does_not_come_back_as_the_user(
    redis_server: RedisProcess, redis_prefix: str, monkeypatch: pytest.MonkeyPatch, script: object
) -> None:
    keys = Keys(redis_prefix.encode())

    async def check() -> None:
        async with opened(redis_server, keys) as store:
            await fill(store)
            during_merge(monkeypatch, script, lambda: store.erase(VISITOR, 10.0, b'{"kind": "erase"}'))
            assert await store.merge(VISITOR, USER, MERGE) == Counts(0, 0, 0)
            found = await store.stored(USER)
            assert found is not None
            assert found.event_items.tolist() == [1, 2]
            assert (found.seen.tolist(), found.purchased.tolist()) == ([1, 2], [])
            assert "merge" not in kinds(redis_server, keys)

    asyncio.run(check())


def test_the_ids_of_a_merged_visitors_events_are_known_for_an_hour(
    redis_server: RedisProcess, redis_prefix: str
) -> None:
    keys = Keys(redis_prefix.encode())

    async def check(client: redis.Redis) -> None:
        async with opened(redis_server, keys) as store:
            await fill(store)
            await store.merge(VISITOR, USER, MERGE)
            assert 0 < int(str(client.ttl(keys.event_ids(VISITOR)))) <= EVENT_IDS_S
            assert await store.append([event(VISITOR, 3, 4.0, PURCHASE)]) == [False]

    with redis_server.client() as client:
        asyncio.run(check(client))


def test_user_and_visitor_lie_in_two_partitions_here() -> None:
    assert partition_of(USER) != partition_of(VISITOR)
