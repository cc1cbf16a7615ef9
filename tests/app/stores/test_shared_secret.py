"""A secret in Redis is the same to all replicas, outlives them, and a damaged one does no harm."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager

from redis.asyncio import Redis
from redis_process import RedisProcess

from app.artifact.redis_keys import Keys
from app.stores.redis_gate import RedisGate
from app.stores.redis_link import RedisAddress, open_async
from app.stores.shared_secret import LOOK_S, SharedSecret


class Replica:
    """What one process knows of the secret, and a clock of its own."""

    def __init__(self, gate: RedisGate, key: bytes) -> None:
        self.found: list[bytes] = []
        self.now = 0.0
        self.secret = SharedSecret(gate, key, self.found.append, lambda: self.now)

    async def look_again(self, client: Redis) -> bytes | None:
        self.now += LOOK_S
        self.found.clear()
        await self.secret.look(client)
        return self.found[-1] if self.found else None


@asynccontextmanager
async def replica_of(server: RedisProcess, key: bytes) -> AsyncIterator[tuple[Replica, Redis]]:
    client = open_async(RedisAddress(server.url))
    try:
        yield Replica(RedisGate(client, 5.0, 5.0), key), client
    finally:
        await client.aclose()


def test_whoever_comes_first_makes_it_and_after_a_flush_all_agree_again(
    redis_server: RedisProcess, redis_prefix: str
) -> None:
    key = Keys(redis_prefix.encode()).cursor_secret
    asyncio.run(_make_lose_and_damage(redis_server, key))


async def _make_lose_and_damage(server: RedisProcess, key: bytes) -> None:
    async with replica_of(server, key) as (first, client), replica_of(server, key) as (second, _):
        made = await first.look_again(client)
        assert made is not None
        assert len(made) == 32
        assert await second.look_again(client) == made
        await client.delete(key)
        anew = await second.look_again(client)
        assert anew not in (None, made)
        assert await first.look_again(client) == anew
        await client.delete(key)
        await client.lpush(key, "damaged")
        assert await first.look_again(client) is None
        await client.delete(key)
        assert await first.look_again(client) == made


def test_a_server_that_takes_no_writes_leaves_each_its_own(
    start_redis: Callable[..., AbstractContextManager[RedisProcess]], redis_prefix: str
) -> None:
    key = Keys(redis_prefix.encode()).cursor_secret
    with start_redis() as server:
        asyncio.run(_refuse_writes_for_a_while(server, key))


async def _refuse_writes_for_a_while(server: RedisProcess, key: bytes) -> None:
    async with replica_of(server, key) as (replica, client):
        await client.execute_command("REPLICAOF", "127.0.0.1", "1")
        assert await replica.look_again(client) is None
        await client.execute_command("REPLICAOF", "NO", "ONE")
        assert await replica.look_again(client) is not None
