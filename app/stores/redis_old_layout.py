"""State in the layout before, as long as it is not migrated: read beside this one, and brought over before a write.

Old keys stay where they are until `aisle-offline migrate` removes them, so that replicas of the Aisle before read on.
"""

from collections.abc import Sequence
from typing import Any, Final

from redis.asyncio import Redis

from app.artifact.people import partition_of
from app.artifact.redis_keys import Keys
from app.stores.redis_gate import RedisGate
from app.stores.redis_merge import Kept
from app.stores.redis_scripts import ABSORB, ERASE, ScriptCall, evaluate, run_scripts

_WORD: Final = 8
_AT_ONCE: Final = 1_000


class OldLayout:
    """Brings users over from the layout before.

    Args:
        gate: exchanges with the server.
        keys: names the keys of this layout.
        kept: how much of a user is kept.
        event_ids: ids of events that are kept of a user.
    """

    def __init__(self, gate: RedisGate, keys: Keys, kept: Kept, event_ids: int) -> None:
        self._gate = gate
        self._keys = keys
        self._kept = kept
        self._event_ids = event_ids

    async def absorb(self, user_hashes: Sequence[int], versions: Sequence[str] = (), *, removes: bool = False) -> None:
        """Copy what the old keys have of users; with `removes`, remove those.

        Raises:
            StoreUnavailable: some may not have been copied.
        """
        calls = [self._call(user_hash, versions, removes=removes) for user_hash in user_hashes]
        for user_hash, (_, damaged) in zip(user_hashes, await run_scripts(self._gate, calls), strict=True):
            self._gate.damage.note("state", damaged, f"{user_hash:016x}")

    async def erase(self, user_hash: int, time: float) -> None:
        """Write an erasure down for replicas of the Aisle before.

        Raises:
            StoreUnavailable: it may not be written.
        """
        name = user_hash.to_bytes(_WORD, "little")
        await self._gate.write(lambda client: client.hset(self._keys.old.erased, name, repr(time)))

    async def carry_erasures(self, client: Redis, versions: Sequence[str]) -> None:
        """Erase in this layout those whom a replica of the Aisle before has erased in its own.

        Raises:
            RedisError: some may not be erased.
        """
        old: Any = await client.hgetall(self._keys.old.erased)
        names = [name for name in old if len(name) == _WORD]
        for start in range(0, len(names), _AT_ONCE):
            await self._carry(client, {name: old[name] for name in names[start : start + _AT_ONCE]}, versions)

    async def _carry(self, client: Redis, times: dict[bytes, bytes], versions: Sequence[str]) -> None:
        keys = self._keys
        hashes = [int.from_bytes(name, "little") for name in times]
        async with client.pipeline(transaction=False) as pipe:
            for name, user_hash in zip(times, hashes, strict=True):
                pipe.hget(keys.erased(partition_of(user_hash)), name)
            known = await pipe.execute(raise_on_error=False)
        calls = [
            ScriptCall(
                ERASE,
                [
                    keys.event_stream(partition_of(user_hash)),
                    keys.erased(partition_of(user_hash)),
                    *(of(user_hash) for of in (keys.events, keys.seen, keys.purchased, keys.event_ids)),
                    *(keys.long_vector(version, user_hash) for version in versions),
                ],
                [name, time, ""],
            )
            for (name, time), user_hash, since in zip(times.items(), hashes, known, strict=True)
            if not isinstance(since, bytes) or seconds_of(since) < seconds_of(time)
        ]
        if calls:
            await evaluate(client, calls)

    def _call(self, user_hash: int, versions: Sequence[str], *, removes: bool) -> ScriptCall:
        keys, old, kept = self._keys, self._keys.old, self._kept
        names = [
            *old.state(user_hash),
            *(old.long_vector(version, user_hash) for version in versions),
            keys.events(user_hash),
            keys.seen(user_hash),
            keys.purchased(user_hash),
            keys.event_ids(user_hash),
            *(keys.long_vector(version, user_hash) for version in versions),
        ]
        arguments: list[Any] = [kept.events, kept.items, self._event_ids, "1" if removes else ""]
        return ScriptCall(ABSORB, names, arguments)


def seconds_of(erased: bytes) -> float:
    """The unix seconds of an erasure; infinity where they cannot be read, so that it holds whatever comes."""
    try:
        seconds = float(erased)
    except ValueError:
        return float("inf")
    return seconds if seconds == seconds else float("inf")  # noqa: PLR0124 - NaN
