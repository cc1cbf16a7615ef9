"""A merge in Redis: the user and the visitor lie in two partitions, which no one script may write.

The user gets a copy, then one step in the visitor's partition writes the merge down and forgets the visitor, if nothing
has changed since the copy. A merge that is stopped in between has lost nothing, and is done again by the same call:
what was copied counts once, and it is written down once, after all events that it moves.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from app.artifact.people import partition_of
from app.artifact.redis_keys import Keys
from app.errors import StoreUnavailable
from app.stores.redis_gate import RedisGate
from app.stores.redis_scripts import ADOPT, LEAVE, WITHDRAW, Script, ScriptCall, run_scripts
from app.stores.state import Counts

TRIES: Final = 20
"""Copies that a merge makes before it gives up on a visitor who goes on and on."""
EVENT_IDS_S: Final = 3_600
"""Seconds that the ids of a merged visitor's events are kept, so that an event that is sent again is a duplicate."""
_WORD: Final = 8


@dataclass(frozen=True, slots=True)
class Kept:
    """How much of a user is kept, and how long."""

    events: int
    user_s: int
    items: int


class RedisMerge:
    """Merges visitors into users.

    Args:
        gate: exchanges with the server.
        keys: names its keys.
        kept: how much is kept.
    """

    def __init__(self, gate: RedisGate, keys: Keys, kept: Kept) -> None:
        self._gate = gate
        self._keys = keys
        self._kept = kept

    async def merge(self, visitor_hash: int, user_hash: int, versions: Sequence[str], record: bytes) -> Counts:
        """Move what is known of a visitor to a user.

        Raises:
            StoreUnavailable: part of it may have been done; done again it goes on.
        """
        values, erased = await self._read(visitor_hash)
        moved = [0, 0, 0]
        added = [b"", b"", b""]
        for _ in range(TRIES):
            if any(values):
                counts, more = await self._adopt(user_hash, values)
                moved = [sum(pair) for pair in zip(moved, counts, strict=True)]
                added = [b"".join(pair) for pair in zip(added, more, strict=True)]
            has_left, values, erased_since = await self._leave(visitor_hash, versions, values, record)
            if has_left:
                return Counts(*moved)
            if erased_since != erased and any(added):
                await self._run(WITHDRAW, self._of(user_hash), added)
                moved, added, erased = [0, 0, 0], [b"", b"", b""], erased_since
        raise StoreUnavailable("the visitor's events come faster than they can be moved (busy): send it again")

    async def _read(self, visitor_hash: int) -> tuple[list[bytes], bytes]:
        """Recent events, seen and purchased of a visitor, as the scripts read them, and when they were erased."""
        # No value is like these, so that nothing is done: the script says what there is, and which values are sound.
        _, values, erased = await self._leave(visitor_hash, (), [b"-", b"-", b"-"], b"")
        return values, erased

    async def _adopt(self, user_hash: int, values: Sequence[bytes]) -> tuple[list[int], list[bytes]]:
        kept = self._kept
        arguments = [kept.events, kept.user_s, kept.items, *values, ""]
        *counts, damaged, events, seen, purchased = await self._run(ADOPT, self._of(user_hash), arguments)
        self._gate.damage.note("state", damaged, f"{user_hash:016x}")
        return counts, [events, seen, purchased]

    async def _leave(
        self, visitor_hash: int, versions: Sequence[str], values: Sequence[bytes], record: bytes
    ) -> tuple[bool, list[bytes], bytes]:
        keys, partition = self._keys, partition_of(visitor_hash)
        names = [
            *self._of(visitor_hash),
            keys.event_ids(visitor_hash),
            keys.event_stream(partition),
            keys.erased(partition),
            *(keys.long_vector(version, visitor_hash) for version in versions),
        ]
        arguments = [*values, EVENT_IDS_S, record, visitor_hash.to_bytes(_WORD, "little")]
        left, *now, erased, damaged = await self._run(LEAVE, names, arguments)
        self._gate.damage.note("state", damaged, f"{visitor_hash:016x}")
        return bool(left), now, erased

    async def _run(self, script: Script, names: Sequence[bytes], arguments: Sequence[Any]) -> Any:
        (result,) = await run_scripts(self._gate, [ScriptCall(script, names, arguments)])
        return result

    def _of(self, person_hash: int) -> list[bytes]:
        keys = self._keys
        return [keys.events(person_hash), keys.seen(person_hash), keys.purchased(person_hash)]
