"""The look before an answer brings the states of those who ask, in one exchange with Redis for all of a moment."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager

from redis_process import RedisProcess

from app.artifact.redis_keys import Keys
from app.errors import StoreUnavailable
from app.serving.catalogue_look import SharedLook
from app.stores.redis_gate import RedisGate
from app.stores.redis_link import RedisAddress, open_async
from app.stores.redis_store import Retention
from app.stores.redis_stores import redis_stores
from app.stores.state import NewEvent, StateRequest

PEOPLE = range(1, 9)


def exchanges(server: RedisProcess) -> dict[str, int]:
    with server.client() as client:
        statistics = client.info("commandstats")
    return {name: statistics.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("get", "mget")}


def test_calls_of_a_moment_share_one_exchange(redis_server: RedisProcess, redis_prefix: str) -> None:
    keys = Keys(redis_prefix.encode())

    async def ask() -> None:
        gate = RedisGate(open_async(RedisAddress(redis_server.url, timeout_s=None)), 5.0, 5.0)
        users, catalogue = redis_stores(gate, keys, Retention())
        try:
            await users.append([NewEvent(person, person, 100 + person, 1, 1e9, b"{}") for person in PEOPLE])
            look = SharedLook(catalogue, catalogue.joint_reader(users))
            before = exchanges(redis_server)
            found = await asyncio.gather(
                look.read("v", ()), *(look.read("v", [StateRequest(person), StateRequest(99)]) for person in PEOPLE)
            )
            after = exchanges(redis_server)
            assert {name: after[name] - before[name] for name in after} == {"get": 0, "mget": 1}
            (head, read), *others = found
            assert read is None
            for person, (own_head, own) in zip(PEOPLE, others, strict=True):
                assert own_head == head
                assert own is not None
                assert (own.version, own.is_whole) == ("v", False)  # which was never published
                state, nobody = own.states
                assert nobody is None
                assert state is not None
                assert state.event_items.tolist() == [100 + person]
            _, other = await look.read("", ())
            assert other is None
            one, of_another_version = await asyncio.gather(
                look.read("v", [StateRequest(1)]), look.read("w", [StateRequest(1)])
            )
            assert one[1] is not None
            assert of_another_version[1] is None  # whoever asks has to ask for it alone
        finally:
            await users.close()

    asyncio.run(ask())


def test_a_store_that_is_gone_is_told_to_all(
    start_redis: Callable[..., AbstractContextManager[RedisProcess]],
) -> None:
    with start_redis() as server:
        url = server.url

    async def ask() -> None:
        gate = RedisGate(open_async(RedisAddress(url, timeout_s=None)), 1.0, 1.0)
        users, catalogue = redis_stores(gate, Keys(), Retention())
        look = SharedLook(catalogue, catalogue.joint_reader(users))
        asked = (look.read("v", [StateRequest(person)]) for person in PEOPLE)
        found = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(error, StoreUnavailable) for error in found)
        await users.close()

    asyncio.run(ask())
