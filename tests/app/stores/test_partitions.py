"""All that one script writes lies in one partition: as a Redis Cluster needs it, and runs it."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from random import Random
from typing import Any

import redis
from cluster_slots import slots_of
from redis_process import RedisProcess

from app.artifact.behaviours import VIEW
from app.artifact.people import PARTITIONS, partition_of, user_hash, visitor_hash
from app.artifact.redis_keys import LAYOUT, Keys
from app.stores.catalogue import CatalogueChange, CatalogueHead
from app.stores.redis_gate import RedisGate
from app.stores.redis_link import RedisAddress, open_async
from app.stores.redis_store import Retention
from app.stores.redis_stores import redis_stores
from app.stores.state import Counts, NewEvent

Start = Callable[..., AbstractContextManager[RedisProcess]]
VERSION = "2026-11-24T10-00-00-aaaa"


def test_slots_are_those_that_redis_computes(start_redis: Start) -> None:
    rng = Random(0)
    keys = [Keys().events(rng.getrandbits(64)) for _ in range(100)]
    keys += [b"plain", b"a{}b", b"{a}{b}", b"{{a}}", b"}{x}", b"{no end"]
    with start_redis("--cluster-enabled", "yes") as server, server.client() as client:
        assert [slots_of([key]) for key in keys] == [
            {client.execute_command("CLUSTER", "KEYSLOT", key)} for key in keys
        ]


def test_the_keys_of_a_person_their_stream_and_erasures_share_a_slot_and_partitions_spread_over_slots() -> None:
    keys, rng, slots = Keys(), Random(1), set()
    for person in (rng.getrandbits(64) for _ in range(5_000)):
        partition = partition_of(person)
        names = [keys.events(person), keys.seen(person), keys.purchased(person), keys.event_ids(person)]
        names += [keys.long_vector(VERSION, person), keys.event_stream(partition), keys.erased(partition)]
        (slot,) = slots_of(names)
        slots.add(slot)
        assert max(map(len, names)) <= 18
    assert len(slots) == PARTITIONS
    thirds = [sum(slot // 5_462 == third for slot in slots) for third in range(3)]
    assert min(thirds) > PARTITIONS / 5


def test_the_keys_of_the_catalogue_share_a_slot() -> None:
    keys = Keys()
    names = [keys.catalogue_documents, keys.catalogue_changes, keys.catalogue_head, keys.catalogue_activity]
    assert len(slots_of(names)) == 1


def test_every_script_runs_on_a_node_of_a_cluster(start_redis: Start) -> None:
    keys = Keys()

    async def run(server: RedisProcess) -> None:
        gate = RedisGate(open_async(RedisAddress(server.url, timeout_s=None)), 5.0, 5.0)
        store, catalogue = redis_stores(gate, keys, Retention())
        await store.start()
        try:
            people = [user_hash(f"u{number}") for number in range(300)]
            events = [NewEvent(person, 1, 2, VIEW, 3.0, b"{}") for person in people]
            assert await store.append(events) == [True] * len(events)
            visitor = visitor_hash("u0")
            assert await store.append([NewEvent(visitor, 1, 5, VIEW, 4.0, b"{}")]) == [True]
            assert await store.merge(visitor, people[0], b"{}") == Counts(1, 1, 0)
            assert await store.erase(people[0], 5.0, b"{}") == Counts(2, 2, 0)
            found = await store.stored(people[1])
            assert found is not None
            assert found.seen.tolist() == [2]
            head = (await catalogue.write([CatalogueChange(item_id, "put", b"{}") for item_id in "ab"])).head
            assert await catalogue.head() == head
            assert len(await catalogue.changes(CatalogueHead(head.epoch, 0), 10) or []) == 2
            assert len((await catalogue.documents())[1]) == 2
            assert await catalogue.forget(head.epoch, 1) == 1
            await catalogue.log_activity([b"x"])
            assert (await catalogue.activity("", 10))[1] == [b"x"]
        finally:
            await store.close()

    with start_redis("--cluster-enabled", "yes") as server, server.client() as client:
        client.execute_command("CLUSTER", "ADDSLOTS", *range(16_384))
        wait_for_cluster(client)
        client.set(keys.layout, LAYOUT)
        asyncio.run(run(server))


def wait_for_cluster(client: redis.Redis) -> None:
    told: Any = b""
    while b"cluster_state:ok" not in told:
        told = client.execute_command("CLUSTER", "INFO")
        told = told if isinstance(told, bytes) else str(told).replace("'", "").replace(": ", ":").encode()
