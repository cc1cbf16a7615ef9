"""Values are read on connections that are held, which neither starve others nor outlive what breaks them."""

import asyncio

import pytest
from redis_process import RedisProcess

from app.stores.redis_gate import RedisGate
from app.stores.redis_link import RedisAddress, open_async


@pytest.mark.parametrize("pool", [1, 3, 16])
def test_others_get_a_connection_and_one_that_was_closed_is_opened_anew(
    redis_server: RedisProcess, redis_prefix: str, pool: int
) -> None:
    one, other = (f"{redis_prefix}{name}".encode() for name in ("one", "other"))

    async def ask() -> None:
        gate = RedisGate(open_async(RedisAddress(redis_server.url, timeout_s=None, pool=pool)), 5.0, 5.0)
        try:
            await gate.write(lambda client: client.set(one, b"1"))
            await gate.write(lambda client: client.rpush(other, b"a list"))
            for _ in range(2):
                values = await asyncio.gather(
                    *(gate.read_values([one, other, b"nothing"]) for _ in range(8)),
                    *(gate.read(lambda client: client.get(one)) for _ in range(8)),
                )
                assert values == [[b"1", None, None]] * 8 + [b"1"] * 8
                with redis_server.client() as admin:
                    admin.client_kill_filter(_type="normal", skipme=True)
        finally:
            await gate.close()

    asyncio.run(ask())
