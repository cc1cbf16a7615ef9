"""The stream of impressions in Redis, which has a cap."""

import logging
from collections.abc import Sequence
from typing import Any

import redis
from redis.asyncio import Redis

from app.artifact.stream_records import FIELD
from app.stores.redis_gate import RedisGate, is_wrong_type

log = logging.getLogger(__name__)


class ImpressionStream:
    """Appends impressions.

    Args:
        gate: exchanges with the server.
        stream: the key.
        cap: impressions that may wait to be collected.
    """

    def __init__(self, gate: RedisGate, stream: bytes, cap: int) -> None:
        self._gate = gate
        self._stream = stream
        self._cap = cap
        self._waiting = 0  # as of the last look
        self._full = False

    async def log(self, records: Sequence[bytes]) -> int:
        """Append to the stream what fits, and return how many.

        Raises:
            StoreUnavailable: it is not known how many were taken.
        """
        if self._waiting + len(records) > self._cap:
            self._waiting = await self._gate.read(self._length)
        room = max(0, self._cap - self._waiting)
        self._warn_full(full=room < len(records))
        fitting = records[:room]
        if not fitting:
            return 0

        async def add(client: Redis) -> None:
            results = await self._add(client, fitting)
            if any(is_wrong_type(result) for result in results):  # it makes room for the stream
                self._gate.damage.note("impression_stream")
                await client.unlink(self._stream)
                results = await self._add(client, fitting)
            for result in results:
                if isinstance(result, Exception):
                    raise result

        await self._gate.write(add)
        self._waiting += len(fitting)
        return len(fitting)

    async def _length(self, client: Redis) -> int:
        try:
            return int(await client.xlen(self._stream))
        except redis.ResponseError as error:
            if is_wrong_type(error):
                return 0
            raise

    async def _add(self, client: Redis, records: Sequence[bytes]) -> list[Any]:
        return await self._gate.replies(client, [("XADD", self._stream, "*", FIELD, record) for record in records])

    def _warn_full(self, *, full: bool) -> None:
        if full and not self._full:
            log.warning("the impression stream is full: run `aisle-offline collect`", extra={"cap": self._waiting})
        self._full = full
