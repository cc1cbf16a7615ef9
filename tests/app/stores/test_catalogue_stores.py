"""One contract, and every store of the live catalogue that keeps it: the one in the process and the one in Redis."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import count
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis_cluster import RedisCluster
from redis_process import RedisProcess

from app.artifact.redis_keys import Keys
from app.stores.catalogue import NO_CHANGE, CatalogueChange, CatalogueHead, CatalogueRecord, CatalogueStore
from app.stores.memory_catalogue import MemoryCatalogueStore
from app.stores.redis_link import RedisAddress
from app.stores.redis_store import Retention
from app.stores.redis_stores import open_gate, redis_stores

ACTIVITY_CAP = 100
_ids = count()
Opened = Callable[[], AbstractAsyncContextManager[CatalogueStore]]


@pytest.fixture(params=["memory", "redis", "cluster"])
def opened(request: pytest.FixtureRequest) -> Opened:
    """Opens an empty store of each kind."""
    if request.param == "memory":
        return memory
    name = "redis_server" if request.param == "redis" else "redis_cluster"
    server: RedisProcess | RedisCluster = request.getfixturevalue(name)
    prefix: str = request.getfixturevalue("redis_prefix")

    @asynccontextmanager
    async def redis_store() -> AsyncIterator[CatalogueStore]:
        keys = Keys(f"{prefix}{next(_ids)}:".encode())
        gate = open_gate(RedisAddress(server.url, timeout_s=None), keys, 5.0, 5.0)
        _, store = redis_stores(gate, keys, Retention(activity=ACTIVITY_CAP))
        try:
            yield store
        finally:
            await gate.close()

    return redis_store


@asynccontextmanager
async def memory() -> AsyncIterator[CatalogueStore]:
    yield MemoryCatalogueStore(ACTIVITY_CAP)


def run(opened: Opened, check: Callable[[CatalogueStore], Awaitable[None]]) -> None:
    async def within() -> None:
        async with opened() as store:
            await check(store)

    asyncio.run(within())


def put(item_id: str, body: bytes = b"{}", expected: int | None = None) -> CatalogueChange:
    return CatalogueChange(item_id, "put", body, expected)


def delete(item_id: str, expected: int | None = None) -> CatalogueChange:
    return CatalogueChange(item_id, "delete", b"", expected)


async def all_changes(store: CatalogueStore, after: CatalogueHead, limit: int) -> list[CatalogueRecord]:
    """What a follower reads in pieces."""
    found: list[CatalogueRecord] = []
    while piece := await store.changes(after, limit):
        assert len(piece) <= limit
        found += piece
        after = CatalogueHead(after.epoch, piece[-1].sequence)
    return found


def test_a_catalogue_that_never_changed_has_no_head_and_no_records(opened: Opened) -> None:
    async def check(store: CatalogueStore) -> None:
        assert await store.head() == NO_CHANGE == CatalogueHead("", 0)
        assert await store.documents() == (NO_CHANGE, [])
        assert await store.changes(NO_CHANGE, 10) == []
        assert await store.changes(CatalogueHead("other", 3), 10) is None
        assert await store.forget("", 0) == 0
        written = await store.write([])
        assert (written.head, written.records) == (NO_CHANGE, [])
        assert (await store.write([put("a", expected=7)])).records == [None]
        assert await store.head() == NO_CHANGE

    run(opened, check)


def test_each_change_has_a_number_of_its_own_and_is_told_in_order(opened: Opened) -> None:
    async def check(store: CatalogueStore) -> None:
        body = '{"title": "Öl & \\u0000"}\r\n'.encode() + bytes(range(256))
        first = await store.write([put("a", body), CatalogueChange("b ü", "patch", b'{"price": 1}'), delete("c")])
        assert first.head.epoch
        assert first.records == [
            CatalogueRecord("a", 1, 1, "put", body),
            CatalogueRecord("b ü", 2, 2, "patch", b'{"price": 1}'),
            CatalogueRecord("c", 3, 3, "delete", b""),
        ]
        assert await store.head() == first.head == CatalogueHead(first.head.epoch, 3)
        assert await store.documents() == (first.head, first.records)
        assert await store.changes(CatalogueHead(first.head.epoch, 0), 10) == first.records
        assert await store.changes(CatalogueHead(first.head.epoch, 1), 1) == first.records[1:2]
        assert await store.changes(first.head, 10) == []

    run(opened, check)


def test_an_id_keeps_its_birth_through_change_deletion_and_return(opened: Opened) -> None:
    async def check(store: CatalogueStore) -> None:
        await store.write([put("a"), put("b")])
        await store.write([delete("a")])
        written = await store.write([put("a", b"again")])
        assert written.records == [CatalogueRecord("a", 1, 4, "put", b"again")]
        _, records = await store.documents()
        assert [(record.item_id, record.born, record.sequence) for record in records] == [("a", 1, 4), ("b", 2, 2)]
        told = await all_changes(store, CatalogueHead(written.head.epoch, 0), 10)
        assert [record.sequence for record in told] == [2, 4]  # only the last of `a`

    run(opened, check)


def test_an_id_may_come_twice_in_one_call(opened: Opened) -> None:
    async def check(store: CatalogueStore) -> None:
        written = await store.write(
            [put("a", b"1"), put("a", b"2", expected=0), put("a", b"3", expected=1), delete("a")]
        )
        assert [record and (record.sequence, record.body) for record in written.records] == [
            (1, b"1"),
            None,
            (2, b"3"),
            (3, b""),
        ]
        assert (await store.documents())[1] == [CatalogueRecord("a", 1, 3, "delete", b"")]

    run(opened, check)


def test_a_change_is_made_only_of_the_record_that_it_was_made_from(opened: Opened) -> None:
    async def check(store: CatalogueStore) -> None:
        one = await store.write([put("a", b"one", expected=0)])
        other = await store.write([put("a", b"other", expected=0), put("b", b"", expected=0)])
        assert other.records[0] is None
        assert other.records[1] is not None
        assert one.head.sequence + 1 == other.head.sequence == other.records[1].sequence
        after = await store.write([put("a", b"again", expected=1), delete("b", expected=1)])
        assert [record and record.sequence for record in after.records] == [3, None]

    run(opened, check)


def test_the_records_of_some_items_are_read(opened: Opened) -> None:
    async def check(store: CatalogueStore) -> None:
        assert await store.read([]) == []
        assert await store.read(["a"]) == [None]
        await store.write([put("a"), put("ö", b"x"), put("a", b"again"), delete("b")])
        ids = [*map(str, range(500)), "b", "a", "nothing", "ö", "a"]
        known = {record.item_id: record for record in (await store.documents())[1]}
        assert await store.read(ids) == [known.get(item_id) for item_id in ids]
        assert [record and record.sequence for record in (await store.read(ids))[-5:]] == [4, 3, None, 2, 3]

    run(opened, check)


def test_writers_at_once_lose_nothing(opened: Opened) -> None:
    """Each adds one to a number, over and over, trying again where another was first."""

    async def check(store: CatalogueStore) -> None:
        async def count_up(times: int) -> None:
            while times:
                _, records = await store.documents()
                before = records[0] if records else None
                value = int(before.body) if before else 0
                change = put("n", b"%d" % (value + 1), expected=before.sequence if before else 0)
                times -= (await store.write([change])).records[0] is not None

        await asyncio.gather(*(count_up(10) for _ in range(4)))
        assert (await store.documents())[1] == [CatalogueRecord("n", 1, 40, "put", b"40")]

    run(opened, check)


def test_followers_of_concurrent_writers_end_at_the_same_documents(opened: Opened) -> None:
    async def check(store: CatalogueStore) -> None:
        epoch = (await store.write([put("first")])).head.epoch
        sequences = [1]
        writing = True

        async def change(seed: int) -> None:
            rng = Random(seed)
            for _ in range(30):
                ids = [f"i{rng.randrange(40)}" for _ in range(rng.randrange(1, 12))]
                drawn = [delete(name) if rng.random() < 0.2 else put(name, b"%f" % rng.random()) for name in ids]
                written = await store.write(drawn)
                own = [record.sequence for record in written.records if record is not None]
                assert own == sorted(own)
                assert written.head.sequence >= own[-1]
                sequences.extend(own)
                await asyncio.sleep(0)

        async def follow(limit: int) -> dict[str, CatalogueRecord]:
            """Reads pieces from the beginning."""
            documents: dict[str, CatalogueRecord] = {}
            position = 0
            while writing or position < (await store.head()).sequence:
                for record in await all_changes(store, CatalogueHead(epoch, position), limit):
                    assert record.sequence > position
                    documents[record.item_id], position = record, record.sequence
                await asyncio.sleep(0)
            return documents

        async def join() -> dict[str, CatalogueRecord]:
            """Begins in the middle with all documents, and goes on with the changes behind their head."""
            while (await store.head()).sequence < 200:
                await asyncio.sleep(0)
            head, records = await store.documents()
            documents = {record.item_id: record for record in records}
            while writing or head.sequence < (await store.head()).sequence:
                for record in await all_changes(store, head, 7):
                    if record.sequence > documents.get(record.item_id, record).sequence:
                        documents[record.item_id] = record
                    documents.setdefault(record.item_id, record)
                    head = CatalogueHead(epoch, record.sequence)
                await asyncio.sleep(0)
            return documents

        followers = [asyncio.create_task(follow(limit)) for limit in (1, 5, 1_000)] + [asyncio.create_task(join())]
        await asyncio.gather(*(change(seed) for seed in range(4)))
        writing = False
        head, records = await store.documents()
        assert sorted(sequences) == list(range(1, head.sequence + 1))
        expected = {record.item_id: record for record in records}
        for documents in await asyncio.gather(*followers):
            assert documents == expected

    run(opened, check)


def test_what_all_versions_have_is_forgotten_and_the_rest_stays(opened: Opened) -> None:
    async def check(store: CatalogueStore) -> None:
        await store.write([put("a"), put("b"), delete("c"), put("d")])
        head = (await store.write([put("a", b"new")])).head
        assert await store.forget("another", 5) == 0
        assert await store.forget(head.epoch, 3) == 2
        assert await store.forget(head.epoch, 3) == 0
        found, records = await store.documents()
        assert found == head
        assert [(record.item_id, record.born, record.sequence) for record in records] == [("a", 1, 5), ("d", 4, 4)]
        assert await store.changes(CatalogueHead(head.epoch, 2), 10) is None
        assert await store.changes(CatalogueHead(head.epoch, 3), 10) == [records[1], records[0]]
        again = await store.write([put("b", expected=0)])
        assert again.records == [CatalogueRecord("b", 6, 6, "put", b"{}")]
        assert await store.forget(head.epoch, 99) == 3
        assert await store.documents() == (again.head, [])
        assert await store.changes(again.head, 10) == []
        assert await store.changes(head, 10) is None
        assert (await store.write([put("e")])).head == CatalogueHead(head.epoch, 7)

    run(opened, check)


def test_a_version_that_has_no_more_than_the_catalogue_changes_nothing(opened: Opened) -> None:
    async def check(store: CatalogueStore) -> None:
        store.require(CatalogueHead("of another store", 9))
        head = (await store.write([put("a"), put("b")])).head
        for required in (NO_CHANGE, CatalogueHead(head.epoch, 1), head, CatalogueHead("another", 5)):
            store.require(required)
            assert await store.head() == head
            assert (await store.documents())[0] == head
            assert len(await store.changes(CatalogueHead(head.epoch, 1), 10) or []) == 1
        assert (await store.write([put("c")])).head == CatalogueHead(head.epoch, 3)

    run(opened, check)


def test_nothing_is_told_of_what_lies_ahead_or_in_another_epoch(opened: Opened) -> None:
    async def check(store: CatalogueStore) -> None:
        head = (await store.write([put("a")])).head
        for after in (NO_CHANGE, CatalogueHead("other", 1), CatalogueHead(head.epoch, 2), CatalogueHead("other", 0)):
            assert await store.changes(after, 10) is None

    run(opened, check)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.lists(
            st.tuples(
                st.sampled_from("abcd"), st.sampled_from(["put", "patch", "delete"]), st.sampled_from([None, 0, 1, 2])
            ),
            max_size=5,
        ),
        max_size=10,
    )
)
def test_any_changes_leave_what_the_obvious_way_leaves(
    opened: Opened, groups: list[list[tuple[str, str, int | None]]]
) -> None:
    """The oracle: a dict that is changed one by one. An expectation is meant as one of the last few numbers."""

    async def check(store: CatalogueStore) -> None:
        known: dict[str, CatalogueRecord] = {}
        sequence = 0
        for group in groups:
            changes: list[CatalogueChange] = []
            results: list[CatalogueRecord | None] = []
            for item_id, kind, back in group:
                body = b"" if kind == "delete" else b"%d" % len(results)
                expected = None if back is None else max(0, sequence - back)
                changes.append(CatalogueChange(item_id, kind, body, expected))  # type: ignore[arg-type]
                before = known.get(item_id)
                if expected in (None, before.sequence if before else 0):
                    sequence += 1
                    born = before.born if before else sequence
                    known[item_id] = CatalogueRecord(item_id, born, sequence, kind, body)  # type: ignore[arg-type]
                    results.append(known[item_id])
                else:
                    results.append(None)
            written = await store.write(changes)
            assert written.records == results
            assert written.head.sequence == sequence
        head, records = await store.documents()
        assert (head.sequence, records) == (sequence, sorted(known.values(), key=lambda record: record.born))
        for position in range(sequence):
            told = await all_changes(store, CatalogueHead(head.epoch, position), 2)
            newer = [record for record in known.values() if record.sequence > position]
            assert told == sorted(newer, key=lambda record: record.sequence)

    run(opened, check)


def test_activity_is_read_in_order_from_a_cursor_and_the_oldest_goes(opened: Opened) -> None:
    async def check(store: CatalogueStore) -> None:
        assert await store.activity("", 10) == ("", [])
        await store.log_activity([])
        await store.log_activity([b"a", b"\x00\xff", b"c"])
        cursor, entries = await store.activity("", 2)
        assert entries == [b"a", b"\x00\xff"]
        cursor, entries = await store.activity(cursor, 2)
        assert entries == [b"c"]
        assert await store.activity(cursor, 2) == (cursor, [])
        await store.log_activity([b"%d" % number for number in range(10 * ACTIVITY_CAP)])
        _, kept = await store.activity("", 100 * ACTIVITY_CAP)
        assert ACTIVITY_CAP <= len(kept) <= 3 * ACTIVITY_CAP
        assert kept == [b"%d" % number for number in range(10 * ACTIVITY_CAP)][-len(kept) :]
        assert await store.head() == NO_CHANGE

    run(opened, check)
