"""The live catalogue in Redis, as the job reads and writes it: the service's own store, call by call."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import redis
from redis.asyncio import Redis

from app.artifact.redis_keys import Keys
from app.stores.catalogue import CatalogueChange, CatalogueHead, CatalogueRecord, Written
from app.stores.redis_catalogue import RedisCatalogueStore
from app.stores.redis_gate import RedisGate, pipe
from app.stores.redis_store import Retention


class LiveCatalogueStore:
    """`app.stores.catalogue.CatalogueStore` for a caller who waits.

    Args:
        client: a connection to the store.
        keys: the names of its keys.
    """

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._store = RedisCatalogueStore(_OpenGate(client), keys, Retention(), lambda: True)

    def require(self, head: CatalogueHead) -> None:
        """Take it that changes up to `head` were made, as `CatalogueStore.require`."""
        self._store.require(head)

    def head(self) -> CatalogueHead:
        """How far the catalogue has come, as `CatalogueStore.head`.

        Raises:
            RedisError: it cannot be read.
        """
        return asyncio.run(self._store.head())

    def documents(self) -> tuple[CatalogueHead, list[CatalogueRecord]]:
        """A head and all records, as `CatalogueStore.documents`.

        Raises:
            RedisError: they cannot be read.
        """
        return asyncio.run(self._store.documents())

    def write(self, changes: Sequence[CatalogueChange]) -> Written:
        """Make changes, in order, as `CatalogueStore.write`.

        Raises:
            RedisError: some of the changes may have been made, those in front.
        """
        return asyncio.run(self._store.write(changes))

    def forget(self, epoch: str, sequence: int) -> int:
        """Drop the records of changes up to `sequence` of an epoch, and count them, as `CatalogueStore.forget`.

        Raises:
            RedisError: some may have been dropped.
        """
        return asyncio.run(self._store.forget(epoch, sequence))


class _OpenGate(RedisGate):
    """Lets every exchange through, with the limits and errors of the client itself."""

    def __init__(self, client: redis.Redis) -> None:
        super().__init__(cast(Redis, _Awaited(client)), math.inf, math.inf)

    async def read(self, exchange: Callable[[Redis], Awaitable[Any]], *, is_bulk: bool = False) -> Any:
        del is_bulk  # it has the time of every other exchange
        return await exchange(self._client)

    async def write(self, exchange: Callable[[Redis], Awaitable[Any]]) -> Any:
        return await exchange(self._client)

    async def replies(self, client: Redis, commands: Sequence[Sequence[Any]]) -> list[Any]:
        return await pipe(client, commands)

    async def _get(self, client: Redis, name: bytes) -> bytes | None:
        value: Any = await client.get(name)
        return None if value is None else bytes(value)


class _Awaited:
    """A client that blocks, whose answers are awaited: they are there by then."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    async def get(self, name: bytes) -> Any:
        return self._client.get(name)

    async def hscan(self, name: bytes, cursor: int, count: int) -> Any:
        return self._client.hscan(name, cursor, count=count)

    async def script_load(self, source: bytes) -> Any:
        return self._client.script_load(source.decode())

    def pipeline(self, *, transaction: bool) -> "_AwaitedPipeline":
        return _AwaitedPipeline(self._client.pipeline(transaction=transaction))


class _AwaitedPipeline:
    def __init__(self, pipe: Any) -> None:
        self._pipe = pipe
        self.execute_command = pipe.execute_command

    async def __aenter__(self) -> "_AwaitedPipeline":
        return self

    async def __aexit__(self, *_: object) -> None:
        self._pipe.reset()

    async def execute(self, *, raise_on_error: bool) -> list[Any]:
        results: list[Any] = self._pipe.execute(raise_on_error=raise_on_error)
        return results
