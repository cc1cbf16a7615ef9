"""The live catalogue in Redis, shared by all replicas."""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from secrets import token_hex
from typing import Any, Final

from redis.asyncio import Redis

from app.artifact.catalogue_records import NO_CHANGE, CatalogueHead, CatalogueRecord
from app.artifact.redis_keys import Keys
from app.errors import StoreUnavailable
from app.stores.catalogue import CatalogueChange, ReadTogether, Written
from app.stores.protocol import UserStore
from app.stores.redis_activity import ActivityStream
from app.stores.redis_catalogue_values import CatalogueValues
from app.stores.redis_gate import RedisGate
from app.stores.redis_scripts import (
    CATALOGUE_CHANGES,
    CATALOGUE_FORGET,
    CATALOGUE_WRITE,
    Script,
    ScriptCall,
    evaluate,
    run_scripts,
)
from app.stores.redis_store import RedisUserStore, Retention
from app.stores.state import FetchResult, StateRequest

GROUP: Final = 200  # changes in one script, so that Redis answers others in between
GROUP_BYTES: Final = 1_000_000
EPOCH_BYTES: Final = 8
MARK_BYTES: Final = 4
_TRIES: Final = 3  # to read all documents in one epoch


class RedisCatalogueStore:
    """`CatalogueStore` on a Redis server.

    Each change bears the mark of the call that made it. A server that lost its newest changes gives their numbers to
    others; by the mark of the newest change that was told, this is noticed even where the head has gone on meanwhile,
    and another epoch begins.

    Args:
        gate: exchanges with the server.
        keys: names its keys.
        retention: how much is kept.
        is_durable: says whether the server keeps what it was given.
        clock: tells unix seconds.
    """

    def __init__(
        self,
        gate: RedisGate,
        keys: Keys,
        retention: Retention,
        is_durable: Callable[[], bool],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.damage = gate.damage
        self._gate = gate
        self._keys = keys
        self._retention = retention
        self._is_durable = is_durable
        self._clock = clock
        self._newest = NO_CHANGE, b""  # the newest change that was told, and its mark
        self._values = CatalogueValues(gate, keys)
        self._activity = ActivityStream(gate, keys.catalogue_activity, retention.activity)

    @property
    def durable(self) -> bool:
        """Whether what was accepted outlives the process that holds it, when last asked."""
        return self._is_durable()

    @property
    def head_here(self) -> None:
        """It has to be asked for."""

    async def head(self) -> CatalogueHead:
        """How far the catalogue has come, by one GET; of sequence 0 where another change has the newest number now.

        Raises:
            StoreUnavailable: it cannot be read.
        """
        return self._compared(*await self._values.head())

    def joint_reader(self, users: UserStore) -> ReadTogether | None:
        """What reads the head and states of `users` by one MGET; None where those are elsewhere."""
        return partial(self._read_together, users) if isinstance(users, RedisUserStore) else None

    async def _read_together(
        self, users: RedisUserStore, version: str, requests: Sequence[StateRequest]
    ) -> tuple[CatalogueHead, FetchResult]:
        value, result = await users.fetch_beside(self._keys.catalogue_head, version, requests)
        if value is None and self._newest[0] != NO_CHANGE:
            return await self.head(), result  # lost, or a value of another kind, which an MGET passes over
        return self._compared(*self._values.head_of(value)), result

    def require(self, head: CatalogueHead) -> None:
        """Take it that changes up to `head` were made: where the server is behind, it has lost some."""
        newest, _ = self._newest
        if newest.epoch in (NO_CHANGE.epoch, head.epoch):
            self._learn(head, b"")

    async def read(self, item_ids: Sequence[str]) -> list[CatalogueRecord | None]:
        """The record of each id as it is now; None where there is none.

        Raises:
            StoreUnavailable: they cannot be read.
        """
        records: dict[str, CatalogueRecord] = {}
        for start in range(0, len(item_ids), GROUP):
            records |= await self._values.records_of(item_ids[start : start + GROUP])
        return [records.get(item_id) for item_id in item_ids]

    async def write(self, changes: Sequence[CatalogueChange]) -> Written:
        """Make changes, in order, in as few steps as Redis bears.

        Raises:
            StoreUnavailable: some of the changes may have been made, those in front.
        """
        head, records = NO_CHANGE, list[CatalogueRecord | None]()
        for group in _groups(changes):
            arguments: list[Any] = []
            for change in group:
                expected = b"" if change.expected is None else b"%d" % change.expected
                arguments += (change.item_id.encode(), change.kind, change.body, expected)
            call = self._write_call(arguments)
            before = head
            head, numbers = self._take(await run_scripts(self._gate, [call]))
            if before.epoch not in (NO_CHANGE.epoch, head.epoch):
                raise StoreUnavailable("the catalogue began anew while changes were written: send them again")
            for change, born, own in zip(group, numbers[::2], numbers[1::2], strict=True):
                record = CatalogueRecord(change.item_id, born, own, change.kind, change.body)
                records.append(record if own else None)
        return Written(head if changes else await self.head(), records)

    async def changes(self, after: CatalogueHead, limit: int) -> list[CatalogueRecord] | None:
        """The records that changes behind `after` left, ordered by sequence.

        Raises:
            StoreUnavailable: they cannot be read.
        """
        if after.epoch == NO_CHANGE.epoch:
            return [] if await self.head() == after else None
        while True:
            arguments = [after.epoch, after.sequence, *self._newest_words(), limit, GROUP_BYTES]
            ((damaged, *rest),) = await self._evaluate(self._call(CATALOGUE_CHANGES, arguments))
            self.damage.note("catalogue", damaged)
            if not rest:
                return None
            sequence, mark, *fields = rest
            records = self._values.records(zip(fields[::2], fields[1::2], strict=True))
            end = CatalogueHead(after.epoch, sequence)
            self._learn(end, mark)
            if records or end == after:
                return records
            after = end  # so many changes that others replaced

    async def documents(self) -> tuple[CatalogueHead, list[CatalogueRecord]]:
        """A head, and all records, ordered by `born`, read piece by piece.

        Raises:
            StoreUnavailable: they cannot be read, or another epoch began again and again meanwhile.
        """
        for _ in range(_TRIES):
            # What was told and is lost gives reason for another epoch, here too.
            head, _ = self._take(await self._evaluate(self._write_call([])))
            newest: dict[str, CatalogueRecord] = {}
            async for records in self._values.pieces():
                for record in records:
                    known = newest.get(record.item_id)
                    if known is None or known.sequence < record.sequence:
                        newest[record.item_id] = record
            last, _ = await self._values.head()
            if last.epoch == head.epoch and last.sequence >= head.sequence:
                return head, sorted(newest.values(), key=lambda record: (record.born, record.item_id))
        raise StoreUnavailable("the catalogue cannot be read while it begins anew: send it again")

    async def forget(self, epoch: str, sequence: int) -> int:
        """Drop the records of changes up to `sequence` of this epoch, and count them.

        Raises:
            StoreUnavailable: some may have been dropped.
        """
        head, _ = await self._values.head()
        if head.epoch != epoch or epoch == NO_CHANGE.epoch:
            return 0
        dropped, last = 0, min(sequence, head.sequence)
        await run_scripts(self._gate, [self._call(CATALOGUE_FORGET, [epoch, last])])
        async for records in self._values.pieces():
            ids = [record.item_id.encode() for record in records if record.sequence <= last]
            for start in range(0, len(ids), GROUP):
                call = self._call(CATALOGUE_FORGET, [epoch, last, *ids[start : start + GROUP]])
                (number,) = await run_scripts(self._gate, [call])
                dropped += number
        return dropped

    async def log_activity(self, entries: Sequence[bytes]) -> None:
        """Append to the stream of activity; what cannot be written is lost."""
        await self._activity.log(entries)

    async def activity(self, after: str, limit: int) -> tuple[str, list[bytes]]:
        """Entries of the stream of activity behind a cursor, and the cursor behind them.

        Raises:
            StoreUnavailable: they cannot be read.
        """
        return await self._activity.read(after, limit)

    def _call(self, script: Script, arguments: Sequence[Any]) -> ScriptCall:
        keys = self._keys
        return ScriptCall(script, [keys.catalogue_documents, keys.catalogue_changes, keys.catalogue_head], arguments)

    def _compared(self, head: CatalogueHead, mark: bytes) -> CatalogueHead:
        newest, newest_mark = self._newest
        return CatalogueHead(head.epoch, 0) if head == newest and newest_mark not in (mark, b"") else head

    def _write_call(self, changes: Sequence[Any]) -> ScriptCall:
        arguments = [token_hex(EPOCH_BYTES), token_hex(MARK_BYTES), self._retention.catalogue_changes]
        # For a head that was lost: changes would have to come a thousand a second for ever to reach it.
        unreached = round(self._clock() * 1_000)
        return self._call(CATALOGUE_WRITE, [*arguments, *self._newest_words(), unreached, *changes])

    async def _evaluate(self, call: ScriptCall) -> list[Any]:
        """The result of a script that only reads, or nearly so."""

        async def exchange(client: Redis) -> list[Any]:
            return await evaluate(client, [call])

        results: list[Any] = await self._gate.read(exchange, is_bulk=True)
        return results

    def _newest_words(self) -> list[Any]:
        head, mark = self._newest
        return [head.epoch, head.sequence, mark]

    def _learn(self, head: CatalogueHead, mark: bytes) -> None:
        """Keep a head that was told; exchanges at once may end in another order than they were done in."""
        newest, newest_mark = self._newest
        if head.epoch != newest.epoch or head.sequence > newest.sequence or (head == newest and not newest_mark):
            self._newest = head, mark

    def _take(self, results: list[Any]) -> tuple[CatalogueHead, list[int]]:
        """Head, and births and sequences, from what the script that writes returned."""
        ((epoch, sequence, mark, damaged, *numbers),) = results
        self.damage.note("catalogue", damaged)
        head = CatalogueHead(epoch.decode(), sequence)
        self._learn(head, mark)
        return head, numbers


def _groups(changes: Sequence[CatalogueChange]) -> Iterator[Sequence[CatalogueChange]]:
    """Parts of what is written at once, bounded by number and bytes."""
    start, size = 0, 0
    for place, change in enumerate(changes):
        if place > start and (place - start == GROUP or size + len(change.body) > GROUP_BYTES):
            yield changes[start:place]
            start, size = place, 0
        size += len(change.body)
    if start < len(changes):
        yield changes[start:]
