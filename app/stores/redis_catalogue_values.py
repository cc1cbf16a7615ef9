"""Head and records of the live catalogue from the values of their keys in Redis. What is damaged counts as none."""

from collections.abc import AsyncIterator, Iterable, Sequence
from functools import partial
from typing import Any, Final

import redis
from redis.asyncio import Redis

from app.artifact.catalogue_records import NO_CHANGE, CatalogueHead, CatalogueRecord, unpack_head, unpack_record
from app.artifact.redis_keys import Keys
from app.stores.redis_gate import RedisGate, is_wrong_type

PIECE: Final = 200  # records in one exchange, about


class CatalogueValues:
    """Reads values, and notes those that are damaged.

    Args:
        gate: exchanges with the server.
        keys: names its keys.
    """

    def __init__(self, gate: RedisGate, keys: Keys) -> None:
        self._gate = gate
        self._keys = keys

    async def head(self) -> tuple[CatalogueHead, bytes]:
        """The head and its mark.

        Raises:
            StoreUnavailable: it cannot be read.
        """
        return self.head_of(await self._gate.read_value(self._keys.catalogue_head))

    def head_of(self, value: bytes | None) -> tuple[CatalogueHead, bytes]:
        """Head and mark of a value, those of no change where it is damaged."""
        parts = unpack_head(value)
        if parts is None:
            self._gate.damage.note("catalogue", about="head")
            return NO_CHANGE, b""
        return parts

    def records(self, pairs: Iterable[tuple[bytes, bytes]]) -> list[CatalogueRecord]:
        """The records of names and values."""
        records = []
        for name, value in pairs:
            record = unpack_record(name, value)
            if record is None:
                self._gate.damage.note("catalogue", about=name.decode(errors="replace"))
            else:
                records.append(record)
        return records

    async def records_of(self, item_ids: Sequence[str]) -> dict[str, CatalogueRecord]:
        """The records that there are of some items, by id.

        Raises:
            StoreUnavailable: they cannot be read.
        """
        names = [item_id.encode() for item_id in item_ids]
        values = await self._gate.read(partial(self._get_documents, names=names), is_bulk=True)
        pairs = zip(names, values, strict=True)
        return {record.item_id: record for record in self.records(pair for pair in pairs if pair[1] is not None)}

    async def pieces(self) -> AsyncIterator[list[CatalogueRecord]]:
        """All records, some at once; one may come twice, and what changes meanwhile comes as it was or as it is.

        Raises:
            StoreUnavailable: they cannot be read.
        """
        cursor = 0
        while True:
            cursor, fields = await self._gate.read(partial(self._scan, cursor=cursor), is_bulk=True)
            yield self.records(fields.items())
            if not cursor:
                return

    async def _get_documents(self, client: Redis, *, names: Sequence[bytes]) -> list[Any]:
        try:
            values: list[Any] = await client.hmget(self._keys.catalogue_documents, list(names))
        except redis.ResponseError as error:
            if not is_wrong_type(error):
                raise
            self._gate.damage.note("catalogue", about="documents")
            return [None] * len(names)
        return values

    async def _scan(self, client: Redis, *, cursor: int) -> tuple[int, Any]:
        try:
            return await client.hscan(self._keys.catalogue_documents, cursor, count=PIECE)
        except redis.ResponseError as error:
            if not is_wrong_type(error):
                raise
            self._gate.damage.note("catalogue", about="documents")
            return 0, {}
