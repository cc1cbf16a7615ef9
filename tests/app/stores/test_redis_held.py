"""Values are read on connections that are held, which neither starve others nor outlive what breaks them."""

import asyncio

import pytest
from fault_proxy import FaultProxy
from redis_process import RedisProcess

from app.errors import StoreUnavailable
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


def test_what_writes_is_never_sent_twice(redis_server: RedisProcess, redis_prefix: str) -> None:
    count = f"{redis_prefix}count".encode()

    async def ask(proxy: FaultProxy) -> None:
        gate = RedisGate(open_async(RedisAddress(proxy.url, timeout_s=None)), 5.0, 5.0)

        async def add() -> int:
            (reply,) = await gate.write(lambda client: gate.replies(client, [("INCR", count)]))
            return int(reply)

        try:
            assert await add() == 1
            proxy.reset()  # the server does it, and its reply is lost with the connection
            with pytest.raises(StoreUnavailable, match="connection"):
                await add()
            proxy.work()
            assert await gate.read_values([count]) == [b"2"]
            with redis_server.client() as admin:
                admin.client_kill_filter(_type="normal", skipme=True)
            assert await gate.read_value(count) == b"2"
            assert await add() == 3
        finally:
            await gate.close()

    with FaultProxy(redis_server.port) as proxy:
        asyncio.run(ask(proxy))


def test_what_writes_goes_out_on_a_new_connection_where_the_server_closed_the_one_before(
    redis_server: RedisProcess, redis_prefix: str
) -> None:
    count = f"{redis_prefix}count".encode()

    async def ask() -> None:
        gate = RedisGate(open_async(RedisAddress(redis_server.url, timeout_s=None)), 5.0, 5.0)
        try:
            for expected in (1, 2, 3):
                (reply,) = await gate.write(lambda client: gate.replies(client, [("INCR", count)]))
                assert int(reply) == expected
                with redis_server.client() as admin:
                    admin.client_kill_filter(_type="normal", skipme=True)
                    while len(admin.client_list(_type="normal")) > 1:
                        pass
                for _ in range(100):  # turns in which the loop learns of it
                    await asyncio.sleep(0)
        finally:
            await gate.close()

    asyncio.run(ask())
