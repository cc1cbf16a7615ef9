"""The records to store of each user of a bundle: recent events, items seen and purchased, long vector."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import redis

from app.artifact.columns import offsets_of
from app.artifact.redis_keys import Keys
from app.artifact.user_records import EVENT, pack_events, pack_items, pack_long_vectors
from app.stores.scripts import script
from offline.publishing.contents import Contents
from offline.publishing.erasures import ask_erasures, erasures_among, find_erased

_ITEM_BYTES: Final = 8
_OLDER: Final = "1"  # what is seeded goes before what the store has


@dataclass(frozen=True, slots=True)
class UserSeed:
    """The records of one user at the bundle's cut, in the form in which the store keeps them."""

    user_hash: int
    events: bytes
    seen: bytes
    purchased: bytes
    long_vector: bytes | None


class UserSeeds:
    """All users of a bundle, by ascending hash, with at most `keep_events` events and `keep_items` items a set each.

    Of events and of items, those are kept that came last.
    """

    def __init__(self, contents: Contents, keep_events: int, keep_items: int) -> None:
        self._states = contents.states
        self._item_hashes = contents.item_hashes
        self._keep = keep_events
        self._keep_items = keep_items
        self.long_vectors = int((contents.states.long_weights > 0).sum())

    def __len__(self) -> int:
        return len(self._states.hashes)

    def part(self, start: int, stop: int) -> list[UserSeed]:
        """Return the users from index `start` up to `stop`, without those whose states are withheld."""
        states = self._states
        users = slice(start, min(stop, len(self)))
        hashes = states.hashes[users].tolist()
        events, ends = self._events(users)
        seen, purchased, seen_ends, purchased_ends = self._items(users)
        vectors = self._long_vectors(users)
        return [
            UserSeed(
                user_hash,
                _newest(events, ends[index : index + 2], EVENT.itemsize, self._keep),
                _newest(seen, seen_ends[index : index + 2], _ITEM_BYTES, self._keep_items),
                _newest(purchased, purchased_ends[index : index + 2], _ITEM_BYTES, self._keep_items),
                vectors[index],
            )
            for index, user_hash in enumerate(hashes)
            if user_hash not in states.withheld
        ]

    def _events(self, users: slice) -> tuple[bytes, list[int]]:
        """Return the records of all events of some users, and the offsets of each user, in records."""
        states = self._states
        offsets = states.event_offsets[users.start : users.stop + 1]
        flat = slice(int(offsets[0]), int(offsets[-1]))
        records = pack_events(
            self._item_hashes[states.event_rows[flat]], states.event_types[flat], states.event_times[flat]
        )
        return records.tobytes(), (offsets - offsets[0]).tolist()

    def _items(self, users: slice) -> tuple[bytes, bytes, list[int], list[int]]:
        """Return items seen, items purchased, and the offsets of each user in both, in items."""
        states = self._states
        offsets = states.seen_offsets[users.start : users.stop + 1]
        flat = slice(int(offsets[0]), int(offsets[-1]))
        hashes, bought = self._item_hashes[states.seen_rows[flat]], states.seen_purchased[flat]
        ends = offsets - offsets[0]
        bought_ends = offsets_of(bought)[ends]
        return pack_items(hashes), pack_items(hashes[bought]), ends.tolist(), bought_ends.tolist()

    def _long_vectors(self, users: slice) -> list[bytes | None]:
        states = self._states
        weights = states.long_weights[users]
        known = weights > 0
        packed = iter(
            pack_long_vectors(states.long_vectors[users][known], states.long_scales[users][known], weights[known])
        )
        return [next(packed) if has_one else None for has_one in known.tolist()]


def _newest(records: bytes, ends: Sequence[int], width: int, keep: int) -> bytes:
    """The last `keep` records between two offsets, in records."""
    start, end = ends
    return records[max(start, end - keep) * width : end * width]


class UserWriter:
    """Writes users to the store without overwriting newer records.

    Args:
        client: a connection to the store.
        keys: the names of its keys.
        contents: the bundle; its version and cut are used.
        keep_events: most recent events of a user.
        keep_items: most items of a user seen, and as many purchased.
        live_s: lifetime of the keys of users, in seconds; 0 for ever.
    """

    def __init__(
        self, client: redis.Redis, keys: Keys, contents: Contents, keep_events: int, keep_items: int, live_s: int
    ) -> None:
        self._client = client
        self._keys = keys
        self._version = contents.version
        self._cut = contents.manifest.cut
        self._kept = (keep_events, live_s, keep_items)
        self._source = script("adopt")
        self._digest: Any = client.script_load(self._source)

    def write(self, seeds: Sequence[UserSeed]) -> None:
        """Write users in one exchange, without those who were erased since the cut."""
        erased = find_erased(self._client, self._keys, [seed.user_hash for seed in seeds], self._cut)
        present = [seed for seed in seeds if seed.user_hash not in erased]
        try:
            since = self._send(present)
        except redis.exceptions.NoScriptError:  # the server was restarted meanwhile
            self._client.script_load(self._source)
            since = self._send(present)
        # The exchange brought back the users who were erased while it was under way.
        brought_back = [name for user_hash in since for name in self.names_of(user_hash)]
        if brought_back:
            self._client.unlink(*brought_back)

    def names_of(self, user_hash: int) -> list[bytes]:
        """Return the keys of a user: recent events, seen, purchased, long vector."""
        keys = self._keys
        version = self._version
        return [
            keys.events(user_hash),
            keys.seen(user_hash),
            keys.purchased(user_hash),
            keys.long_vector(version, user_hash),
        ]

    def _send(self, seeds: Sequence[UserSeed]) -> set[int]:
        """Write the users, and return those who were erased by then."""
        if not seeds:
            return set()
        hashes = [seed.user_hash for seed in seeds]
        with self._client.pipeline(transaction=False) as pipe:
            for seed in seeds:
                *names, vector = self.names_of(seed.user_hash)
                given = (seed.events, seed.seen, seed.purchased, _OLDER)
                pipe.evalsha(self._digest, len(names), *names, *self._kept, *given)
                if seed.long_vector is not None:
                    pipe.set(vector, seed.long_vector)
            written = len(pipe)
            ask_erasures(pipe, self._keys, hashes)
            replies = pipe.execute(raise_on_error=False)
        for reply in replies[:written]:
            if isinstance(reply, Exception):
                raise reply
        return erasures_among(hashes, replies[written:], self._cut)
