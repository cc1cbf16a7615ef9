"""The way to Redis: what opens it and closes it, and what a store remembers meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import redis
from fault_proxy import FaultProxy
from redis_process import RedisProcess, running_redis

from app.artifact.hashing import stable_hash
from app.artifact.redis_keys import Keys
from app.errors import StoreUnavailable
from app.stores.redis_gate import FAILURES_IN_A_ROW, PROBE_S, RedisGate
from app.stores.redis_link import RedisAddress, open_async
from app.stores.redis_store import RedisUserStore
from app.stores.state import Counts, FetchResult, NewEvent, StateRequest

READ_S, WRITE_S = 0.1, 2.0
WITHIN_S = 10.0
VERSION = "v1"


@asynccontextmanager
async def opened(url: str, keys: Keys) -> AsyncIterator[tuple[RedisGate, RedisUserStore]]:
    gate = RedisGate(open_async(RedisAddress(url, timeout_s=None, connect_timeout_s=None)), READ_S, WRITE_S)
    store = RedisUserStore(gate, keys)
    await store.start()
    try:
        yield gate, store
    finally:
        await store.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not condition():
            await asyncio.sleep(0.01)


async def refused(asked: Awaitable[object]) -> str:
    with pytest.raises(StoreUnavailable) as error:
        await asked
    return error.value.message


def count_of_sets(client: redis.Redis) -> int:
    """How many SETs the server has run: the probes', where nobody else writes."""
    found: Any = client.info("commandstats")
    return int(found["cmdstat_set"]["calls"])


def event(user: str, event_id: str) -> NewEvent:
    return NewEvent(stable_hash(user), stable_hash(event_id), stable_hash("i"), 1, 5.0, b"{}")


def test_after_some_failures_nobody_asks_until_it_answers_in_time_again(redis_prefix: str) -> None:
    keys = Keys(redis_prefix.encode())

    async def run(server: RedisProcess, proxy: FaultProxy) -> None:
        with server.client() as client:
            client.set(keys.marker(VERSION), b"")
        async with opened(proxy.url, keys) as (gate, store):
            assert await store.fetch(VERSION, [StateRequest(1)]) == FetchResult([None])
            proxy.slow(lambda: 3 * READ_S)  # too late for requests, in time for whoever has patience
            for _ in range(FAILURES_IN_A_ROW):
                assert "timeout" in await refused(store.fetch(VERSION, [StateRequest(1)]))
            for place in range(3):
                await asyncio.sleep(PROBE_S)
                assert gate.is_open
                assert "breaker_open" in await refused(store.fetch(VERSION, [StateRequest(1)]))
                assert await store.append([event("u", f"e{place}")]) == [True]  # an event has the time
            proxy.work()
            await until(lambda: not gate.is_open)
            assert await store.fetch(VERSION, [StateRequest(1)]) == FetchResult([None])

    with running_redis() as server, FaultProxy(server.port) as proxy:
        asyncio.run(run(server, proxy))


def test_one_failure_among_successes_opens_nothing(redis_prefix: str) -> None:
    keys = Keys(redis_prefix.encode())

    async def run(server: RedisProcess, proxy: FaultProxy) -> None:
        with server.client() as client:
            client.set(keys.marker(VERSION), b"")
        async with opened(proxy.url, keys) as (gate, store):
            for _ in range(2 * FAILURES_IN_A_ROW):
                proxy.silence()
                await refused(store.fetch(VERSION, [StateRequest(1)]))
                proxy.work()
                assert await store.fetch(VERSION, [StateRequest(1)]) == FetchResult([None])
                assert not gate.is_open

    with running_redis() as server, FaultProxy(server.port) as proxy:
        asyncio.run(run(server, proxy))


def test_what_succeeds_without_writing_does_not_hide_that_writes_are_refused(redis_prefix: str) -> None:
    async def run(server: RedisProcess) -> None:
        async with opened(server.url, Keys(redis_prefix.encode())) as (_, store):
            assert await store.append([event("u", "e1")]) == [True]
            with server.client() as client:
                client.config_set("maxmemory", 1)
                assert "out_of_memory" in await refused(store.append([event("u", "e2")]))
                assert await store.append([event("u", "e1")]) == [False]
                assert store.lagging
                client.config_set("maxmemory", 0)
            await until(lambda: not store.lagging)
            assert await store.append([event("u", "e2")]) == [True]

    with running_redis() as server:
        asyncio.run(run(server))


def test_who_was_erased_stays_so_for_this_process_though_the_store_was_flushed(redis_prefix: str) -> None:
    keys = Keys(redis_prefix.encode())

    async def run(server: RedisProcess) -> None:
        async with opened(server.url, keys) as (_, one), opened(server.url, keys) as (_, other):
            assert await one.erase(stable_hash("x"), 5.0, b"{}") == Counts(0, 0, 0)
            await until(lambda: other.is_erased(stable_hash("x")))
            with server.client() as client:
                client.flushdb()
                probes = count_of_sets(client)
                while count_of_sets(client) < probes + 4:  # each of the two has probed at least once
                    await asyncio.sleep(0.01)
            await other.erase(stable_hash("y"), 6.0, b"{}")
            await until(lambda: one.is_erased(stable_hash("y")))
            assert one.is_erased(stable_hash("x"))
            assert other.is_erased(stable_hash("x"))

    with running_redis() as server:
        asyncio.run(run(server))
