"""The live catalogue in a Redis that is flushed, killed, paused, full, behind or damaged."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import redis
from fault_proxy import FaultProxy
from redis_process import RedisProcess

from app.artifact.redis_keys import Keys
from app.errors import StoreUnavailable
from app.stores.catalogue import NO_CHANGE, CatalogueChange, CatalogueHead, CatalogueRecord
from app.stores.redis_catalogue import GROUP, GROUP_BYTES, RedisCatalogueStore
from app.stores.redis_gate import RedisGate
from app.stores.redis_link import RedisAddress, open_async
from app.stores.redis_store import Retention
from app.stores.redis_stores import redis_stores

Start = Callable[..., AbstractContextManager[RedisProcess]]
READ_S, WRITE_S = 0.2, 0.5
CAP = 300


@asynccontextmanager
async def opened(
    server: RedisProcess, keys: Keys, timeouts: tuple[float, float] = (5.0, 5.0)
) -> AsyncIterator[RedisCatalogueStore]:
    gate = RedisGate(open_async(RedisAddress(server.url, timeout_s=None, connect_timeout_s=None)), *timeouts)
    _, store = redis_stores(gate, keys, Retention(catalogue_changes=CAP, activity=CAP))
    try:
        yield store
    finally:
        await gate.close()


def puts(*ids: str, body: bytes = b"{}") -> list[CatalogueChange]:
    return [CatalogueChange(item_id, "put", body) for item_id in ids]


def keys_of(keys: Keys) -> list[bytes]:
    return [keys.catalogue_documents, keys.catalogue_changes, keys.catalogue_head]


class Follower:
    """What a replica does: looks at the head, catches up, and reads all where it cannot."""

    def __init__(self, store: RedisCatalogueStore) -> None:
        self.store = store
        self.position = NO_CHANGE
        self.documents: dict[str, CatalogueRecord] = {}
        self.whole_reads = 0

    async def look(self) -> None:
        head = await self.store.head()
        while head != self.position:
            told = None
            if head.epoch == self.position.epoch and head.sequence > self.position.sequence:
                told = await self.store.changes(self.position, 100)
            if told is None:
                self.whole_reads += 1
                self.position, records = await self.store.documents()
                self.documents = {record.item_id: record for record in records}
            else:
                self.documents |= {record.item_id: record for record in told}
                self.position = CatalogueHead(head.epoch, told[-1].sequence) if told else head
            head = await self.store.head()


def test_after_a_flush_another_epoch_begins(redis_server: RedisProcess, redis_prefix: str) -> None:
    keys = Keys(redis_prefix.encode())

    async def check(client: redis.Redis) -> None:
        async with opened(redis_server, keys) as store:
            follower = Follower(store)
            before = (await store.write(puts("a", "b"))).head
            await follower.look()
            client.delete(*keys_of(keys))
            assert await store.head() == NO_CHANGE
            await follower.look()
            assert (follower.position, follower.documents) == (NO_CHANGE, {})
            after = (await store.write(puts("c", "d", "e"))).head
            assert after.sequence == 3
            assert after.epoch != before.epoch
            assert await store.changes(before, 10) is None
            assert await store.forget(before.epoch, 2) == 0
            await follower.look()
            assert sorted(follower.documents) == ["c", "d", "e"]

    with redis_server.client() as client:
        asyncio.run(check(client))


def test_changes_that_a_flush_cuts_in_two_are_not_accepted(redis_server: RedisProcess, redis_prefix: str) -> None:
    keys = Keys(redis_prefix.encode())

    class Changes(list[CatalogueChange]):
        """Between its first part and the next one the store is flushed."""

        def __getitem__(self, index: Any) -> Any:
            if index.start == GROUP:
                client.delete(*keys_of(keys))
            return super().__getitem__(index)

    async def check() -> None:
        async with opened(redis_server, keys) as store:
            with pytest.raises(StoreUnavailable, match="send them again"):
                await store.write(Changes(puts(*map(str, range(3 * GROUP)))))

    with redis_server.client() as client:
        asyncio.run(check())


def test_documents_that_are_read_over_a_flush_are_read_again(
    redis_server: RedisProcess, redis_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = Keys(redis_prefix.encode())

    async def check(client: redis.Redis) -> None:
        async with opened(redis_server, keys) as store, opened(redis_server, keys) as other:
            before = (await store.write(puts(*map(str, range(5 * GROUP)), body=b"x" * 100))).head
            pieces, flushes = store._values.pieces, iter([True])

            async def pieces_and_a_flush() -> AsyncIterator[list[CatalogueRecord]]:
                async for piece in pieces():
                    yield piece
                    if next(flushes, False):
                        client.delete(*keys_of(keys))
                        await other.write(puts("new"))

            monkeypatch.setattr(store._values, "pieces", pieces_and_a_flush)
            head, records = await store.documents()
            assert head.epoch != before.epoch
            assert records == [CatalogueRecord("new", 1, 1, "put", b"{}")]

    with redis_server.client() as client:
        asyncio.run(check(client))


def test_what_changes_while_old_records_are_forgotten_stays(
    redis_server: RedisProcess, redis_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def check() -> None:
        keys = Keys(redis_prefix.encode())
        async with opened(redis_server, keys) as store, opened(redis_server, keys) as other:
            head = (await store.write(puts("a", "b"))).head
            pieces = store._values.pieces

            async def pieces_and_a_change() -> AsyncIterator[list[CatalogueRecord]]:
                async for piece in pieces():
                    await other.write(puts("a", body=b"new"))
                    yield piece

            monkeypatch.setattr(store._values, "pieces", pieces_and_a_change)
            assert await store.forget(head.epoch, head.sequence) == 1
            assert (await other.documents())[1] == [CatalogueRecord("a", 1, 3, "put", b"new")]

    asyncio.run(check())


def test_nothing_accepted_is_lost_when_redis_is_killed(start_redis: Start) -> None:
    keys, accepted = Keys(), dict[str, int]()

    async def check(server: RedisProcess) -> None:
        async with opened(server, keys) as store:

            async def write(writer: int) -> None:
                number = 0
                while True:
                    try:
                        written = await store.write(puts(*(f"{writer}-{number}-{place}" for place in range(10))))
                    except StoreUnavailable:
                        return
                    accepted.update({record.item_id: record.sequence for record in written.records if record})
                    number += 1

            writers = [asyncio.create_task(write(writer)) for writer in range(4)]
            while len(accepted) < 400 and not any(writer.done() for writer in writers):
                await asyncio.sleep(0)
            assert len(accepted) >= 400
            server.kill()
            await asyncio.gather(*writers)
        server.start()
        async with opened(server, keys) as store:
            head, records = await store.documents()
            kept = {record.item_id: record.sequence for record in records}
            assert accepted.items() <= kept.items()
            assert head.sequence == len(records) >= max(accepted.values())
            assert (await store.write(puts("more"))).head == CatalogueHead(head.epoch, head.sequence + 1)

    with start_redis("--appendonly", "yes", "--appendfsync", "always") as server:
        asyncio.run(check(server))


def test_it_is_durable_where_the_server_keeps_an_append_only_file(start_redis: Start) -> None:
    async def is_durable(server: RedisProcess) -> bool:
        gate = RedisGate(open_async(RedisAddress(server.url, timeout_s=None)), 5.0, 5.0)
        users, store = redis_stores(gate, Keys(), Retention())
        assert not store.durable  # nobody looked yet
        await users.start()
        await users.close()
        return store.durable

    with start_redis() as server, server.client() as client:
        assert not asyncio.run(is_durable(server))
        client.config_set("appendonly", "yes")
        assert asyncio.run(is_durable(server))


def test_a_redis_that_hangs_or_is_full_is_said_and_leaves_nothing_half_written(start_redis: Start) -> None:
    async def check(server: RedisProcess, client: redis.Redis) -> None:
        async with opened(server, Keys(), (READ_S, WRITE_S)) as store:
            head = (await store.write(puts("a"))).head
            client.config_set("maxmemory", 1)
            with pytest.raises(StoreUnavailable, match="out_of_memory"):
                await store.write(puts("b", "c"))
            await store.log_activity([b"lost"])
            assert await store.head() == head
            assert [record.item_id for record in (await store.documents())[1]] == ["a"]
            client.config_set("maxmemory", 0)
            os.kill(server.pid, signal.SIGSTOP)
            try:
                for call in (store.head(), store.changes(CatalogueHead(head.epoch, 0), 10), store.documents()):
                    async with asyncio.timeout(10 * READ_S):
                        with pytest.raises(StoreUnavailable, match="timeout"):
                            await call
                async with asyncio.timeout(10 * WRITE_S):
                    with pytest.raises(StoreUnavailable):
                        await store.write(puts("b"))
                    with pytest.raises(StoreUnavailable, match="breaker_open"):
                        await store.head()
            finally:
                os.kill(server.pid, signal.SIGCONT)

    with start_redis() as server, server.client() as client:
        asyncio.run(check(server, client))


def test_reading_all_documents_bears_a_redis_that_is_slow_for_requests(start_redis: Start) -> None:
    async def check(server: RedisProcess, proxy: FaultProxy) -> None:
        async with opened(server, Keys()) as store:
            head = (await store.write(puts(*map(str, range(2 * GROUP)), body=b"x" * 100))).head
        gate = RedisGate(open_async(RedisAddress(proxy.url, timeout_s=None, connect_timeout_s=None)), READ_S, 5.0)
        _, store = redis_stores(gate, Keys(), Retention())
        # The head is looked at for each request, and is late; what is read once a start has the time.
        delays = iter([1.5 * READ_S] * 2)
        proxy.slow(lambda: next(delays, 0.0))
        assert len((await store.documents())[1]) == 2 * GROUP
        delays = iter([1.5 * READ_S])
        after = CatalogueHead(head.epoch, head.sequence - GROUP)
        assert len(await store.changes(after, 1_000) or []) == GROUP
        await gate.close()

    with start_redis() as server, FaultProxy(server.port) as proxy:
        asyncio.run(check(server, proxy))


def test_who_is_behind_what_the_stream_keeps_is_told_so(redis_server: RedisProcess, redis_prefix: str) -> None:
    keys = Keys(redis_prefix.encode())

    async def check(client: redis.Redis) -> None:
        async with opened(redis_server, keys) as store:
            head = (await store.write(puts(*map(str, range(5 * CAP))))).head
            assert CAP <= client.xlen(keys.catalogue_changes) <= 2 * CAP
            assert await store.changes(CatalogueHead(head.epoch, 0), 10) is None
            told = await store.changes(CatalogueHead(head.epoch, 4 * CAP + 1), CAP)
            assert told is not None
            assert [record.item_id for record in told] == [str(place) for place in range(4 * CAP + 1, 5 * CAP)]
            assert [record.item_id for record in (await store.documents())[1]] == [str(n) for n in range(5 * CAP)]
            client.delete(keys.catalogue_changes)
            assert await store.changes(CatalogueHead(head.epoch, head.sequence - 1), 10) is None
            assert await store.changes(head, 10) == []
            await store.write(puts("next"))
            told = await store.changes(head, 10)
            assert told is not None
            assert [record.item_id for record in told] == ["next"]

    with redis_server.client() as client:
        asyncio.run(check(client))


def test_many_and_large_changes_are_written_and_read_in_pieces(redis_server: RedisProcess, redis_prefix: str) -> None:
    keys = Keys(redis_prefix.encode())

    def calls(client: redis.Redis) -> int:
        return int(client.info("commandstats")["cmdstat_evalsha"]["calls"])

    async def check(client: redis.Redis) -> None:
        async with opened(redis_server, keys) as store:
            await store.write(puts("first"))
            before = calls(client)
            ids = [f"i{place}" for place in range(10 * GROUP + 1)]
            written = await store.write(puts(*ids))
            assert calls(client) - before == 11
            assert [record and record.item_id for record in written.records] == ids
            large = [f"l{place}" for place in range(6)]
            before = calls(client)
            head = (await store.write(puts(*large, body=b"x" * (GROUP_BYTES // 2)))).head
            assert calls(client) - before == 3
            position, pieces = written.head, list[list[str]]()
            while piece := await store.changes(position, 100):
                pieces.append([record.item_id for record in piece])
                position = CatalogueHead(head.epoch, piece[-1].sequence)
            assert list(chain.from_iterable(pieces)) == large
            assert max(map(len, pieces)) == 2

    with redis_server.client() as client:
        asyncio.run(check(client))


def test_an_item_that_changed_again_and_again_is_told_once(redis_server: RedisProcess, redis_prefix: str) -> None:
    async def check() -> None:
        gate = RedisGate(open_async(RedisAddress(redis_server.url, timeout_s=None)), 5.0, 5.0)
        _, store = redis_stores(gate, Keys(redis_prefix.encode()), Retention())
        head = (await store.write(puts("a"))).head
        last = (await store.write(puts(*["b"] * 3_000))).head
        assert await store.changes(head, 100) == [CatalogueRecord("b", 2, last.sequence, "put", b"{}")]
        await gate.close()

    asyncio.run(check())


def backup(client: redis.Redis, keys: Keys) -> dict[bytes, Any]:
    return {key: client.dump(key) for key in keys_of(keys)}


def restore(client: redis.Redis, saved: dict[bytes, Any]) -> None:
    for key, value in saved.items():
        client.restore(key, 0, value, replace=True)


@pytest.mark.parametrize("behind", range(5))
@pytest.mark.parametrize("writer", ["another", "own"])
def test_every_replica_notices_that_changes_which_it_knew_are_lost(
    redis_server: RedisProcess, redis_prefix: str, behind: int, writer: str
) -> None:
    """A server fails over to one that lacks the last two changes, and others take their numbers before a look."""
    keys = Keys(redis_prefix.encode())

    async def check(client: redis.Redis) -> None:
        async with opened(redis_server, keys) as store, opened(redis_server, keys) as other:
            followers = [Follower(store), Follower(other)]
            first = (await other.write(puts("a", "b", "c"))).head
            saved = backup(client, keys)
            await other.write(puts("a", "lost", body=b"lost"))
            await followers[0].look()
            assert followers[0].position == CatalogueHead(first.epoch, 5)
            restore(client, saved)
            async with opened(redis_server, keys) as fresh:
                for place in range(behind):
                    await (fresh if writer == "another" else store).write(puts(f"new{place}"))
            expected = ["a", "b", "c", *(f"new{place}" for place in range(behind))]
            await followers[0].look()
            assert followers[0].position.epoch != first.epoch  # by its own knowledge, nobody else's
            await followers[1].look()
            for follower in followers:
                assert list(follower.documents) == expected
                assert follower.documents["a"].body == b"{}"
            assert followers[0].position == followers[1].position
            assert followers[0].position.sequence == 3 + behind
            reads = followers[0].whole_reads
            await other.write(puts("after"))
            await followers[0].look()
            assert "after" in followers[0].documents
            assert followers[0].whole_reads == reads

    with redis_server.client() as client:
        asyncio.run(check(client))


@pytest.mark.parametrize("first", ["write", "documents"])
def test_a_catalogue_that_is_behind_a_version_begins_another_epoch(
    redis_server: RedisProcess, redis_prefix: str, first: str
) -> None:
    """A backup is restored that is older than the version, and nobody is left who knew more."""
    keys = Keys(redis_prefix.encode())

    async def check() -> None:
        async with opened(redis_server, keys) as store:
            kept = (await store.write(puts("a", "b", "c"))).head
        async with opened(redis_server, keys) as store:
            store.require(CatalogueHead(kept.epoch, 5))
            follower = Follower(store)
            if first == "write":
                await store.write(puts("new"))
            await follower.look()
            assert follower.position.epoch != kept.epoch
            assert follower.position.sequence == len(follower.documents) == (4 if first == "write" else 3)
            assert await store.changes(kept, 10) is None
            head = follower.position
            assert (await store.write(puts("next"))).head == CatalogueHead(head.epoch, head.sequence + 1)

    asyncio.run(check())


DAMAGES: dict[str, Callable[[redis.Redis, bytes], object]] = {
    "list": lambda client, key: client.rpush(key, b"x"),
    "text": lambda client, key: client.set(key, b"\xff\xfe"),
    "hash": lambda client, key: client.hset(
        key, mapping={b"a": b"x", b"\xff": b"1 1 put {}", b"b": b"1 99999999999999999999 put {}", b"c": b""}
    ),
    "stream": lambda client, key: client.xadd(key, {b"x": b"y"}, id="999999-0"),
    "head": lambda client, key: client.set(key, b"\xff 3 m"),
    "numbers": lambda client, key: client.set(key, b"epoch x m"),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("key", ["catalogue_documents", "catalogue_changes", "catalogue_head", "catalogue_activity"])
def test_a_key_that_holds_something_else_counts_as_none_and_makes_room(
    redis_server: RedisProcess, redis_prefix: str, key: str, damage: str
) -> None:
    keys, noted = Keys(redis_prefix.encode()), Counter[str]()

    async def check(client: redis.Redis) -> None:
        async with opened(redis_server, keys) as store, opened(redis_server, keys) as other:
            store.damage.listeners.append(lambda kind, number: noted.update({kind: number}))
            followers = [Follower(store), Follower(other)]
            await store.write(puts("a", "b", "c"))
            await store.log_activity([b"old"])
            await followers[1].look()
            client.delete(getattr(keys, key))
            DAMAGES[damage](client, getattr(keys, key))
            await store.head()
            await store.changes(CatalogueHead(followers[1].position.epoch, 1), 10)
            await store.documents()
            assert await store.read(["b"]) == [followers[1].documents["b"] if key != "catalogue_documents" else None]
            await store.activity("", 10)
            await followers[0].look()
            await store.forget(followers[1].position.epoch, 0)
            written = await store.write([*puts("a", "d"), CatalogueChange("c", "delete", b"")])
            sequences = [record.sequence for record in written.records if record]
            assert sequences == list(range(written.head.sequence - 2, written.head.sequence + 1))
            await store.log_activity([b"new"])
            assert (await store.activity("", 10))[1][-1] == b"new"
            _, records = await store.documents()
            for follower in followers:
                await follower.look()
            # Who knew a record before it was damaged goes on with it until the item changes.
            known = {"b"} if (key, damage) == ("catalogue_documents", "hash") else set()
            expected = {record.item_id: record for record in records}
            assert followers[0].documents == expected
            assert followers[1].documents.keys() == expected.keys() | known
            assert expected.items() <= followers[1].documents.items()
            assert {"a", "c", "d"} <= set(followers[0].documents)
            if key != "catalogue_documents":
                assert "b" in followers[0].documents

    with redis_server.client() as client:
        asyncio.run(check(client))
    is_like_its_own = (key, damage) == ("catalogue_activity", "stream")
    assert noted or is_like_its_own, noted


def test_a_lost_head_does_not_lose_the_documents(redis_server: RedisProcess, redis_prefix: str) -> None:
    keys = Keys(redis_prefix.encode())

    async def check(client: redis.Redis) -> None:
        async with opened(redis_server, keys) as store:
            before = await store.write(puts("a", "b"))
            client.delete(keys.catalogue_head)
            assert await store.head() == NO_CHANGE
            written = await store.write(puts("c"))
            assert written.head.epoch != before.head.epoch
            assert written.head.sequence > before.head.sequence
            assert (await store.documents())[1] == [*before.records, *written.records]

    with redis_server.client() as client:
        asyncio.run(check(client))


def test_it_needs_no_more_of_redis_than_the_guide_allows(redis_server: RedisProcess, redis_prefix: str) -> None:
    keys = Keys(redis_prefix.encode())
    words = "+@read +@write +@connection +@scripting +@transaction -@dangerous +info"
    assert words in (Path(__file__).parents[3] / "app" / "OPERATING.md").read_text("utf-8")

    async def check(client: redis.Redis) -> None:
        address = RedisAddress(redis_server.url, username=redis_prefix, password="p", timeout_s=None)
        gate = RedisGate(open_async(address), 5.0, 5.0)
        _, store = redis_stores(gate, keys, Retention())
        head = (await store.write(puts("a", "b"))).head
        client.delete(keys.catalogue_head)  # its way back is the longest
        head = (await store.write(puts("c"))).head
        assert await store.changes(CatalogueHead(head.epoch, head.sequence - 1), 10)
        assert len((await store.documents())[1]) == 3
        assert await store.read(["a", "nothing"]) == [(await store.documents())[1][0], None]
        assert await store.forget(head.epoch, 2) == 2
        await store.log_activity([b"x"])
        assert (await store.activity("", 10))[1] == [b"x"]
        await gate.close()

    with redis_server.client() as client:
        client.execute_command("ACL", "SETUSER", redis_prefix, "on", ">p", f"~{redis_prefix}*", *words.split())
        asyncio.run(check(client))
        client.execute_command("ACL", "DELUSER", redis_prefix)
