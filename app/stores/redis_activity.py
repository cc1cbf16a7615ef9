"""The stream of activity in Redis: the newest entries of what happened with live items."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import redis
from redis.asyncio import Redis

from app.artifact.catalogue_records import ACTIVITY_FIELD
from app.errors import StoreUnavailable
from app.stores.redis_gate import RedisGate, is_wrong_type

GROUP: Final = 500  # entries in one exchange


class ActivityStream:
    """Appends entries, and reads them from a cursor on.

    Args:
        gate: exchanges with the server.
        stream: the key.
        cap: entries that are kept, or a few more.
    """

    def __init__(self, gate: RedisGate, stream: bytes, cap: int) -> None:
        self._gate = gate
        self._stream = stream
        self._cap = cap

    async def log(self, entries: Sequence[bytes]) -> None:
        """Append; what cannot be written is lost."""
        for start in range(0, len(entries), GROUP):
            group = entries[start : start + GROUP]
            try:
                await self._gate.write(partial(self._append, entries=group))
            except StoreUnavailable:
                return

    async def read(self, after: str, limit: int) -> tuple[str, list[bytes]]:
        """Entries behind a cursor, oldest first, and the cursor behind them.

        Raises:
            StoreUnavailable: they cannot be read.
        """
        pairs = await self._gate.read(lambda client: self._range(client, f"({after}" if after else "-", limit))
        entries = [fields[ACTIVITY_FIELD] for _, fields in pairs if ACTIVITY_FIELD in (fields or {})]
        self._gate.damage.note("activity", len(pairs) - len(entries))
        return (pairs[-1][0].decode() if pairs else after), entries

    async def _append(self, client: Redis, *, entries: Sequence[bytes]) -> None:
        results = await self._add(client, entries)
        if any(is_wrong_type(result) for result in results):  # it makes room for the stream
            self._gate.damage.note("activity")
            await client.unlink(self._stream)
            results = await self._add(client, entries)
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _add(self, client: Redis, entries: Sequence[bytes]) -> list[Any]:
        async with client.pipeline(transaction=False) as pipe:
            for entry in entries:
                pipe.xadd(self._stream, {ACTIVITY_FIELD: entry}, maxlen=self._cap, approximate=True)
            results: list[Any] = await pipe.execute(raise_on_error=False)
            return results

    async def _range(self, client: Redis, begin: str, limit: int) -> list[Any]:
        try:
            pairs = await client.xrange(self._stream, begin, "+", count=limit)
        except redis.ResponseError as error:
            if not is_wrong_type(error):
                raise
            self._gate.damage.note("activity")
            return []
        return pairs or []
