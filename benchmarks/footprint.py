"""What users and items cost in the memory of a real Redis, by two measures.

Each kind of key is written alone, the way the service or `aisle-offline publish` writes it. `memory_usage` is the mean
of MEMORY USAGE over some of the keys. `difference` is what INFO's `used_memory` grew by, divided by the number of keys,
so that it has their share of the hash table too. Keys that expire have an entry in a second table; where keys of that
kind do, `difference_with_ttl` is measured like the other, with it.

The last line of the output is JSON. The bars hold for both measures, without that entry: a long vector of 128
dimensions in at most 220 bytes, n recent events in at most 16 n + 90.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Final

import numpy as np
import redis
import typer
from redis_process import RedisProcess, running_redis

from app.artifact.behaviours import PURCHASE, VIEW
from app.artifact.people import PARTITIONS, partition_of
from app.artifact.redis_keys import Keys
from app.artifact.user_records import LONG_LIMIT, pack_events, pack_items, pack_long_vectors
from app.stores.scripts import script

VERSION: Final = "2026-11-23T10-15-00-3f2a"
AT_ONCE: Final = 500  # keys in one exchange
USAGES: Final = 1_000  # keys asked for their MEMORY USAGE
LENGTHS: Final = (1, 5, 10, 20, 50, 100)
KEEP_ITEMS: Final = 10_000
YEAR_S: Final = 365 * 86_400
NOW: Final = 1_795_428_900
VECTOR_BAR, EVENT_BAR, LIST_BAR = 220, 16, 90  # bytes
STEADY_S: Final = 0.3  # without a change: hash tables have grown, buffers have been given back
STEADY_WITHIN_S: Final = 30.0
KEYS: Final = Keys()

Write = Callable[[redis.Redis, Sequence[int], int], None]
"""Writes the keys of some hashes, to live so many seconds; 0 is for ever."""


@dataclass(frozen=True)
class Case:
    """One kind of key."""

    name: str
    write: Write
    kept: Callable[[int], list[bytes]]  # the keys of a hash that are measured
    expires: bool = False
    bar: int | None = None  # bytes at most


@dataclass(frozen=True)
class Cost:
    """Bytes a key, or a user where a user's keys were measured together."""

    name: str
    memory_usage: float
    difference: float
    difference_with_ttl: float | None
    bar: int | None

    @property
    def is_kept(self) -> bool:
        """Whether both measures are within the bar."""
        return self.bar is None or max(self.memory_usage, self.difference) <= self.bar


def main(
    dim: Annotated[int, typer.Option(min=8, help="Dimensions of a vector; a multiple of eight.")] = 128,
    users: Annotated[int, typer.Option(min=1, help="Keys of each kind.")] = 20_000,
) -> None:
    """Measure every kind of key."""
    rng = np.random.default_rng(0)
    hashes = rng.integers(1, 2**64, users, dtype=np.uint64).tolist()
    costs = []
    with running_redis() as server:
        for case in cases(dim, rng):
            cost = measure(server, case, hashes)
            costs.append(cost)
            ttl = "" if cost.difference_with_ttl is None else f"{cost.difference_with_ttl:9.1f} with a TTL"
            print(f"{cost.name:34} {cost.memory_usage:9.1f} {cost.difference:9.1f} {ttl:24} bar {cost.bar}", flush=True)
        with server.client() as client:
            memory: Any = client.info("memory")
            told: Any = client.info("server")
    report = {
        "bytes": [asdict(cost) for cost in costs],
        "over_their_bar": [cost.name for cost in costs if not cost.is_kept],
        "dim": dim,
        "users": users,
        "redis": told["redis_version"],
        "allocator": memory["mem_allocator"],
        "command": " ".join(sys.argv),
    }
    print(json.dumps(report))


def cases(dim: int, rng: np.random.Generator) -> Iterator[Case]:
    """Every kind of key, and a whole user."""
    bar = VECTOR_BAR if dim == 128 else None
    yield Case("long vector", _vectors(dim, rng), lambda user: [KEYS.long_vector(VERSION, user)], bar=bar)
    yield Case("item vector", _item_vectors(dim, rng), lambda item: [KEYS.item_vector(VERSION, item)])
    for length in LENGTHS:
        bar = EVENT_BAR * length + LIST_BAR
        yield Case(f"{length} events, appended", _appended(length, rng), _only(KEYS.events), expires=True, bar=bar)
        yield Case(f"{length} events, seeded", _seeded(length, 0, rng), _only(KEYS.events), expires=True, bar=bar)
    for length in LENGTHS:
        yield Case(f"{length} items seen, seeded", _seeded(0, length, rng), _only(KEYS.seen), expires=True)
    yield Case("10 items seen, appended", _appended(10, rng), _only(KEYS.seen), expires=True)
    yield Case("ids of 10 events, appended", _appended(10, rng), _only(KEYS.event_ids), expires=True)
    yield Case("a user: vector, 10 events appended", _whole(dim, 10, rng), _all_keys, expires=True)


def measure(server: RedisProcess, case: Case, hashes: Sequence[int]) -> Cost:
    """What the keys of `hashes` cost."""
    with server.client() as client:
        difference = _difference(server, client, case, hashes, 0)
        usages = [sum(client.memory_usage(key, samples=0) or 0 for key in case.kept(each)) for each in hashes[:USAGES]]
        with_ttl = _difference(server, client, case, hashes, YEAR_S) if case.expires else None
    return Cost(case.name, round(float(np.mean(usages)), 1), difference, with_ttl, case.bar)


def _difference(server: RedisProcess, client: redis.Redis, case: Case, hashes: Sequence[int], live_s: int) -> float:
    case.write(client, hashes[:1], live_s)  # what a server keeps of a command's first use is not the keys'
    client.flushdb()  # the server is this program's own
    before = _used(server)
    for start in range(0, len(hashes), AT_ONCE):
        part = hashes[start : start + AT_ONCE]
        case.write(client, part, live_s)
        kept = {key for each in part for key in case.kept(each)}
        others = [key for each in part for key in _all_keys(each) if key not in kept]
        client.delete(*map(KEYS.event_stream, range(PARTITIONS)), *others)
    client.connection_pool.disconnect()
    return round((_used(server) - before) / len(hashes), 1)


def _used(server: RedisProcess) -> int:
    """Bytes that are used, but for those of connections, once they no longer change."""
    deadline = time.monotonic() + STEADY_WITHIN_S
    found, since = -1, time.monotonic()
    with server.client() as client:
        while time.monotonic() - since < STEADY_S:
            memory: Any = client.info("memory")
            used = memory["used_memory"] - memory["mem_clients_normal"]
            if used != found:
                found, since = used, time.monotonic()
            if time.monotonic() > deadline:
                raise RuntimeError(f"used_memory does not come to rest: {memory}")
            time.sleep(0.02)
    return found


def _only(kind: Callable[[int], bytes]) -> Callable[[int], list[bytes]]:
    return lambda user: [kind(user)]


def _all_keys(user: int) -> list[bytes]:
    kinds = (KEYS.events, KEYS.seen, KEYS.purchased, KEYS.event_ids)
    return [*(kind(user) for kind in kinds), KEYS.long_vector(VERSION, user)]


def _vectors(dim: int, rng: np.random.Generator) -> Write:
    def write(client: redis.Redis, users: Sequence[int], live_s: int) -> None:  # noqa: ARG001 - never expires
        quantised = rng.integers(-LONG_LIMIT, LONG_LIMIT + 1, (len(users), dim)).astype(np.int8)
        ones = np.ones(len(users), dtype=np.float32)
        packed = pack_long_vectors(quantised, ones, ones)
        with client.pipeline(transaction=False) as pipe:
            for user, vector in zip(users, packed, strict=True):
                pipe.set(KEYS.long_vector(VERSION, user), vector)
            pipe.execute()

    return write


def _item_vectors(dim: int, rng: np.random.Generator) -> Write:
    def write(client: redis.Redis, items: Sequence[int], live_s: int) -> None:  # noqa: ARG001 - never expires
        client.mset({KEYS.item_vector(VERSION, item): rng.bytes(4 + dim) for item in items})

    return write


def _appended(length: int, rng: np.random.Generator) -> Write:
    """All but the last event in one call, the last in one of its own, as most come."""

    def write(client: redis.Redis, users: Sequence[int], live_s: int) -> None:
        digest: Any = client.script_load(script("append"))
        told = [word for record in _records(length, rng) for word in (rng.bytes(8), record, b"{}", b"1", b"1e9")]
        with client.pipeline(transaction=False) as pipe:
            for user in users:
                names = [KEYS.events(user), KEYS.seen(user), KEYS.purchased(user), KEYS.event_ids(user)]
                names += [KEYS.event_stream(partition_of(user)), KEYS.erased(partition_of(user))]
                head: list[Any] = [*names, max(LENGTHS), live_s, 1_024, live_s, KEEP_ITEMS, user.to_bytes(8, "little")]
                for part in (told[:-5], told[-5:]):
                    if part:
                        pipe.evalsha(digest, len(names), *head, *part)
            pipe.execute()

    return write


def _seeded(events: int, seen: int, rng: np.random.Generator) -> Write:
    def write(client: redis.Redis, users: Sequence[int], live_s: int) -> None:
        digest: Any = client.script_load(script("adopt"))
        records = b"".join(_records(events, rng))
        items = pack_items(rng.integers(1, 2**64, seen, dtype=np.uint64))
        with client.pipeline(transaction=False) as pipe:
            for user in users:
                names = [KEYS.events(user), KEYS.seen(user), KEYS.purchased(user)]
                kept = (max(LENGTHS), live_s, KEEP_ITEMS)
                pipe.evalsha(digest, len(names), *names, *kept, records, items, b"", b"1")
            pipe.execute()

    return write


def _whole(dim: int, length: int, rng: np.random.Generator) -> Write:
    parts = (_vectors(dim, rng), _appended(length, rng))

    def write(client: redis.Redis, users: Sequence[int], live_s: int) -> None:
        for part in parts:
            part(client, users, live_s)

    return write


def _records(length: int, rng: np.random.Generator) -> list[bytes]:
    """Event records in order; one in ten is a purchase."""
    packed = pack_events(
        rng.integers(1, 2**64, length, dtype=np.uint64),
        np.where(np.arange(length) % 10 == 9, PURCHASE, VIEW).astype(np.uint8),
        NOW + np.arange(length, dtype=np.float64),
    )
    return [packed[place : place + 1].tobytes() for place in range(length)]


if __name__ == "__main__":
    typer.run(main)
