"""A cluster loses a node, or moves slots, while it is read and written: others notice nothing, and nothing is twice."""

import asyncio
import json
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, field

import pytest
from cluster_slots import slots_of
from redis_cluster import RedisCluster

from app.artifact.behaviours import VIEW
from app.artifact.people import PARTITIONS, partition_of, user_hash
from app.artifact.redis_keys import Keys
from app.artifact.stream_records import FIELD
from app.errors import StoreUnavailable
from app.stores.redis_link import RedisAddress
from app.stores.redis_store import RedisUserStore, Retention
from app.stores.redis_stores import open_gate, redis_stores
from app.stores.state import NewEvent, StateRequest

Start = Callable[..., AbstractContextManager[RedisCluster]]
VERSION = "2026-11-24T10-00-00-aaaa"
READ_S = 1.0  # also where others use the machine
log = logging.getLogger(__name__)
PEOPLE = [user_hash(f"u{number}") for number in range(300)]


@dataclass
class Load:
    """What a load on a store has seen."""

    store: RedisUserStore
    ends: bool = False
    reads: int = 0
    failed_reads: int = 0
    unread: Counter[int] = field(default_factory=Counter)  # by person
    seconds: list[float] = field(default_factory=list)  # of a read
    accepted: dict[str, int] = field(default_factory=dict)  # person by the id of an event
    refused: int = 0  # events that were sent again
    numbers: int = 0

    async def read(self) -> None:
        place = 0
        while not self.ends:
            people = [PEOPLE[(place + step) % len(PEOPLE)] for step in range(64)]
            place += 64
            began = time.perf_counter()
            try:
                fetched = await self.store.fetch(VERSION, [StateRequest(person) for person in people])
                self.unread.update(people[index] for index in fetched.unread)
            except StoreUnavailable:
                self.failed_reads += 1
            self.seconds.append(time.perf_counter() - began)
            self.reads += 1
            await asyncio.sleep(0.005)

    async def write(self) -> None:
        """Each event is sent until it is accepted."""
        while not self.ends:
            self.numbers += 1
            person, told = PEOPLE[self.numbers % len(PEOPLE)], f"e{self.numbers}"
            event = NewEvent(person, self.numbers, 1, VIEW, 3.0, json.dumps({"id": told}).encode())
            while True:
                try:
                    await self.store.append([event])
                    break
                except StoreUnavailable:
                    self.refused += 1
                    await asyncio.sleep(0.02)
            self.accepted[told] = person
            await asyncio.sleep(0.001)

    def tell(self, what: str, lost: int) -> None:
        seconds = sorted(self.seconds)
        log.info(
            f"{what}: {self.reads} reads of 64 people, {self.failed_reads} failed, {len(self.unread)} of "
            f"{len(PEOPLE)} people unread for a while, p50 {1e3 * seconds[len(seconds) // 2]:.1f} ms, "
            f"p99 {1e3 * seconds[int(len(seconds) * 0.99)]:.1f} ms, most {1e3 * seconds[-1]:.1f} ms; "
            f"{len(self.accepted)} events accepted, {self.refused} times refused, {lost} lost"
        )


@asynccontextmanager
async def loaded(cluster: RedisCluster, keys: Keys) -> AsyncIterator[Load]:
    """A store under load from entry to exit."""
    gate = open_gate(RedisAddress(cluster.url, timeout_s=None), keys, READ_S, 2.0)
    store, _ = redis_stores(gate, keys, Retention())
    await store.start()
    load = Load(store)
    tasks = [asyncio.create_task(work()) for work in (load.read, load.read, load.write, load.write)]
    try:
        yield load
    finally:
        load.ends = True
        await asyncio.gather(*tasks)
        await store.close()


def stored_ids(cluster: RedisCluster, keys: Keys) -> Counter[str]:
    """How often each event is in the streams."""
    with cluster.client() as client, client.pipeline(transaction=False) as pipe:
        for partition in range(PARTITIONS):
            pipe.xrange(keys.event_stream(partition))
        entries = [entry for stream in pipe.execute() for entry in stream]
    return Counter(json.loads(fields[FIELD])["id"] for _, fields in entries)


async def reads_all(store: RedisUserStore, cluster: RedisCluster) -> None:
    """Wait until everybody can be read."""
    deadline = time.monotonic() + 20
    while True:
        try:
            if not (await store.fetch(VERSION, [StateRequest(person) for person in PEOPLE])).unread:
                return
        except StoreUnavailable:
            pass
        assert time.monotonic() < deadline, f"of {len(cluster.running)} nodes some are not read"
        await asyncio.sleep(0.05)


@pytest.mark.slow
def test_a_primary_that_is_killed_takes_its_people_alone_until_its_replica_takes_over(start_cluster: Start) -> None:
    keys = Keys()

    async def check(cluster: RedisCluster) -> tuple[Load, set[int], float]:
        gone = cluster.nodes[0]
        own = {person for person in PEOPLE if next(iter(slots_of([keys.events(person)]))) <= 5_461}
        async with loaded(cluster, keys) as load:
            await asyncio.sleep(1.0)
            gone.kill()
            began = time.monotonic()
            await asyncio.sleep(0.3)
            await reads_all(load.store, cluster)
            back_after_s = time.monotonic() - began
            await asyncio.sleep(1.0)
        return load, own, back_after_s

    with start_cluster() as cluster:
        load, own, back_after_s = asyncio.run(check(cluster))
        stored = stored_ids(cluster, keys)
    lost = [told for told in load.accepted if told not in stored]
    load.tell(f"a primary killed, its people back after {back_after_s:.1f} s", len(lost))
    assert load.failed_reads == 0
    assert len(load.unread) > 0
    assert set(load.unread) <= own
    assert set(stored.values()) == {1}
    assert {load.accepted[told] for told in lost} <= own  # what the primary had not told its replica
    assert len(load.accepted) > 100


@pytest.mark.slow
def test_slots_that_move_under_load_lose_nothing_and_fail_no_read(start_cluster: Start) -> None:
    keys = Keys()

    async def check(cluster: RedisCluster) -> Load:
        source, target = cluster.nodes[0], cluster.nodes[1]
        partitions = sorted({partition_of(person) for person in PEOPLE})
        slots = {slot for place in partitions for slot in slots_of([keys.event_stream(place)]) if slot <= 5_461}
        async with loaded(cluster, keys) as load:
            await asyncio.sleep(0.5)
            moved = 0
            for slot in sorted(slots)[:12]:
                assert await asyncio.to_thread(cluster.owner_of, slot) is source
                moved += await asyncio.to_thread(cluster.move_slot, slot, target)
            assert moved > 12
            await asyncio.sleep(0.5)
            await reads_all(load.store, cluster)
        return load

    with start_cluster(replicas=False) as cluster:
        load = asyncio.run(check(cluster))
        stored = stored_ids(cluster, keys)
    lost = [told for told in load.accepted if told not in stored]
    load.tell("twelve slots moved", len(lost))
    assert (load.failed_reads, dict(load.unread), lost) == (0, {}, [])
    assert set(stored.values()) == {1}


@pytest.mark.parametrize(("setting", "kind"), [("min-replicas-to-write", "refused"), ("maxmemory", "out_of_memory")])
def test_a_node_that_refuses_writes_degrades_its_own_people_alone(
    start_cluster: Start, caplog: pytest.LogCaptureFixture, setting: str, kind: str
) -> None:
    caplog.set_level(logging.INFO, "app.stores.redis_node")
    keys = Keys()

    async def check(cluster: RedisCluster) -> None:
        gate = open_gate(RedisAddress(cluster.url, timeout_s=None), keys, READ_S, 2.0)
        store, _ = redis_stores(gate, keys, Retention())
        refusing = cluster.nodes[0]
        await store.start()
        own = [person for person in PEOPLE if next(iter(slots_of([keys.events(person)]))) <= 5_461]
        others = [person for person in PEOPLE if person not in own]

        def event_of(person: int) -> NewEvent:
            return NewEvent(person, person, 1, VIEW, 3.0, b"{}")

        def lag() -> list[int]:
            return [person for person in PEOPLE if store.lags_for(person)]

        try:
            await store.append([event_of(own[0]), event_of(others[0])])
            assert lag() == []
            with refusing.client() as client:
                client.config_set(setting, 1)  # there is no replica, and more than a byte is stored
            with pytest.raises(StoreUnavailable, match=kind):
                await store.append([event_of(own[1])])
            assert store.lagging
            assert lag() == own
            assert await store.append([event_of(others[1])]) == [True]
            fetched = await store.fetch(VERSION, [StateRequest(person) for person in PEOPLE])
            assert not fetched.unread
            assert fetched.states[PEOPLE.index(own[0])] is not None
            await gate._probe()
            assert lag() == own

            with refusing.client() as client:
                client.config_set(setting, 0)
            await gate._probe()
            assert lag() == []
            told = [record.__dict__ for record in caplog.records if "writes" in record.getMessage()]
            assert [(line["msg"], line.get("kind")) for line in told] == [
                ("a node of the store refuses writes", kind),
                ("a node of the store takes writes again", None),
            ]
            assert {line["node"] for line in told} == {f"127.0.0.1:{refusing.port}"}
            assert await store.append([event_of(own[1])]) == [True]
        finally:
            await store.close()

    with start_cluster(replicas=False) as cluster:
        asyncio.run(check(cluster))


def test_scripts_that_nodes_have_lost_are_loaded_anew(redis_cluster: RedisCluster, redis_prefix: str) -> None:
    keys = Keys(redis_prefix.encode())

    async def check() -> None:
        gate = open_gate(RedisAddress(redis_cluster.url, timeout_s=None), keys, 5.0, 5.0)
        store, _ = redis_stores(gate, keys, Retention())
        await store.start()
        try:
            for number in range(2):
                for node in redis_cluster.nodes:
                    with node.client() as client:
                        client.script_flush()
                events = [NewEvent(person, number + 1, 1, VIEW, 3.0, b"{}") for person in PEOPLE]
                assert await store.append(events) == [True] * len(PEOPLE)
        finally:
            await store.close()

    asyncio.run(check())
