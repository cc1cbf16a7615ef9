"""The migration of a store from the layout before: its time, the memory of Redis, and that users are told the same.

    python benchmarks/migration.py --users 100000

Writes users as the Aisle before stored them, with a vector, 10 events, what was seen and purchased and event ids, and
moves them while a writer sends events through a store that reads both layouts. The last line is JSON.
"""

import asyncio
import json
import sys
import threading
import time
from typing import Annotated, Any, Final

import numpy as np
import redis
import typer
from redis_process import RedisProcess, running_redis

from app.artifact.behaviours import PURCHASE, VIEW
from app.artifact.people import PARTITIONS
from app.artifact.redis_keys import Keys
from app.artifact.user_records import pack_events, pack_items, pack_long_vectors
from app.stores.redis_gate import RedisGate
from app.stores.redis_link import RedisAddress, open_async
from app.stores.redis_store import RedisUserStore
from app.stores.state import Exclude, NewEvent, StateRequest
from offline.publishing.migrate import Migrated, migrate

VERSION: Final = "2026-11-24T10-00-00-aaaa"
KEYS: Final = Keys()
EVENTS, ITEMS, DIM = 10, 20_000, 128
AT_ONCE: Final = 500
COMPARED: Final = 2_000  # users
NOW: Final = 1_795_428_900.0


def main(
    users: Annotated[int, typer.Option(min=1_000, help="Users in the store.")] = 100_000,
    events: Annotated[bool, typer.Option(help="Send events meanwhile; without, memory is compared.")] = True,
) -> None:
    """Fill, migrate, compare."""
    hashes = np.random.default_rng(0).integers(1, 2**64, users, dtype=np.uint64).tolist()
    with running_redis() as server, server.client() as client:
        fill(client, hashes)
        before = used(client)
        states = asyncio.run(told(server, hashes[-COMPARED:]))
        stop = threading.Event()
        sent: list[int] = []
        writer = threading.Thread(target=lambda: asyncio.run(write(server, hashes[: users // 2], stop, sent)))
        if events:
            writer.start()
        result, seconds = timed(client)
        stop.set()
        if events:
            writer.join()
        after = used(client)
        report = {
            "users": users,
            "seconds": seconds,
            "moved": result.users,
            "bytes_a_user_before": round(before / users, 1),
            "bytes_a_user_after": round(after / users, 1),
            "sent_meanwhile": sum(sent),
            "in_streams": sum(int(str(client.xlen(KEYS.event_stream(place)))) for place in range(PARTITIONS)),
            "told_the_same": asyncio.run(told(server, hashes[-COMPARED:])) == states,
            "command": " ".join(sys.argv),
        }
    print(json.dumps(report))


def timed(client: redis.Redis) -> tuple[Migrated, float]:
    """The migration and its seconds."""
    began = time.monotonic()
    return migrate(client, KEYS), round(time.monotonic() - began, 1)


def fill(client: redis.Redis, hashes: list[int]) -> None:
    """Write the users as the Aisle before did."""
    rng = np.random.default_rng(1)
    client.hset(KEYS.models, VERSION, "{}")
    client.set(KEYS.marker(VERSION), "1")
    ones = np.ones(AT_ONCE, np.float32)
    for start in range(0, len(hashes), AT_ONCE):
        part = hashes[start : start + AT_ONCE]
        vectors = pack_long_vectors(rng.integers(-63, 64, (AT_ONCE, DIM)).astype(np.int8), ones, ones)
        with client.pipeline(transaction=False) as pipe:
            for user, vector in zip(part, vectors, strict=False):
                seen = rng.integers(1, ITEMS, EVENTS).astype(np.uint64)
                types = np.where(np.arange(EVENTS) == EVENTS - 1, PURCHASE, VIEW).astype(np.uint8)
                events, items, purchased, ids = KEYS.old.state(user)
                pipe.set(events, pack_events(seen, types, NOW + np.arange(EVENTS)).tobytes(), ex=10**7)
                pipe.set(items, pack_items(seen), ex=10**7)
                pipe.set(purchased, pack_items(seen[-1:]), ex=10**7)
                pipe.set(ids, rng.bytes(8 * EVENTS), ex=10**6)
                pipe.set(KEYS.old.long_vector(VERSION, user), vector)
            pipe.execute()


def used(client: redis.Redis) -> int:
    """Bytes that Redis uses, but for those of connections."""
    memory: Any = client.info("memory")
    return int(memory["used_memory"]) - int(memory["mem_clients_normal"])


def store_of(server: RedisProcess) -> RedisUserStore:
    """A store as the service has it."""
    return RedisUserStore(RedisGate(open_async(RedisAddress(server.url, timeout_s=None)), 5.0, 5.0), KEYS)


async def told(server: RedisProcess, hashes: list[int]) -> list[Any]:
    """What a service is told of users."""
    store = store_of(server)
    await store.start()
    try:
        found = await store.fetch(VERSION, [StateRequest(user, Exclude.SEEN) for user in hashes])
    finally:
        await store.close()
    return [
        None
        if state is None or state.long_vector is None or state.excluded_items is None
        else (state.event_items.tolist(), state.event_times.tolist(), state.excluded_items.tolist(), state.long_weight)
        for state in found.states
    ]


async def write(server: RedisProcess, hashes: list[int], stop: threading.Event, sent: list[int]) -> None:
    """Send events of users all the while, fifty in a call."""
    store, rng = store_of(server), np.random.default_rng(2)
    await store.start()
    try:
        while not stop.is_set():
            people = rng.choice(len(hashes), 50)
            events = [
                NewEvent(hashes[place], int(rng.integers(2**63)), int(rng.integers(1, ITEMS)), VIEW, NOW + 100, b"{}")
                for place in people
            ]
            sent.append(sum(await store.append(events)))
    finally:
        await store.close()


if __name__ == "__main__":
    typer.run(main)
