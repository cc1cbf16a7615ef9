"""User states from the values of their keys. A value that is no record counts as none, for its user alone."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.behaviours import PURCHASE
from app.artifact.user_records import (
    BEHAVIOUR_MASK,
    EVENT,
    dim_of,
    long_vector_bytes,
    unpack_events,
    unpack_items,
    unpack_long_vectors,
)
from app.stores.damage import DamageLog
from app.stores.record_lists import WORD, interleave, union, words
from app.stores.state import Exclude, StateRequest, StoredUser, UserState

_LARGEST: Final = 1e9  # of the scale and the weight of a long vector; what is written is far below
_MANY: Final = 1_000  # items of a set from which sorting is quicker than a set of Python's
Values = Sequence[bytes | None]


def names_per_state(request: StateRequest) -> int:
    """How many keys a request reads: long vector, recent events and, where it excludes, a set of items."""
    return 2 if request.exclude is Exclude.NONE else 3


class StateValues:
    """Reads values, and notes those that are damaged.

    Args:
        damage: takes the notes.
        keep_events: recent events of a user.
        keep_items: items of a set.
    """

    def __init__(self, damage: DamageLog, keep_events: int, keep_items: int) -> None:
        self._damage = damage
        self._keep_events = keep_events
        self._keep_items = keep_items

    def states(self, requests: Sequence[StateRequest], values: Values, dim: int | None) -> list[UserState | None]:
        """The state of each request from the values of its keys, one request after another.

        Args:
            requests: what was asked for.
            values: of `names_per_state` keys each: long vector, recent events, set of items.
            dim: dimensions of a long vector; those of most of `values` where it is not known.
        """
        parts: list[tuple[bytes | None, bytes | None, bytes | None]] = []
        offset = 0
        for request in requests:
            taken = names_per_state(request)
            parts.append((values[offset], values[offset + 1], values[offset + 2] if taken > 2 else None))
            offset += taken
        vectors = self._long_vectors(requests, [vector for vector, _, _ in parts], dim)
        whole = self._all_events(requests, [events for _, events, _ in parts])
        items, types, times = unpack_events(b"".join(whole))
        states: list[UserState | None] = []
        start = 0
        for request, own, records, (_, _, excluded) in zip(requests, vectors, whole, parts, strict=True):
            end = start + len(records) // EVENT.itemsize
            vector, weight = (None, 0.0) if own is None else own
            kept = self.items_of("items", request.user_hash, excluded)
            if vector is None and not records and not kept:
                states.append(None)
            else:
                recent = slice(start, end)
                past = None
                if request.exclude is not Exclude.NONE:
                    past = excluded_items(unpack_items(kept), items[recent], types[recent], request.exclude)
                states.append(UserState(vector, weight, items[recent], types[recent], times[recent], past))
            start = end
        return states

    def stored(self, user_hash: int, values: Values, versions: Sequence[str]) -> StoredUser | None:
        """A user from the values of recent events, seen and purchased, and the versions that have a long vector."""
        events = self._events_of(user_hash, values[0])
        seen, purchased = (self.items_of("items", user_hash, value) for value in values[1:3])
        if not events and not seen and not purchased and not versions:
            return None
        return stored_user(events, seen, purchased, versions)

    def joined(self, user_hash: int, names: Sequence[str], old: Values, new: Values) -> list[bytes | None]:
        """Each value of the layout before with that of this one; `names` says `events`, `items` or `vector` of each."""
        return [
            since if before is None else self._joined(user_hash, name, before, since)
            for name, before, since in zip(names, old, new, strict=True)
        ]

    def items_of(self, kind: str, user_hash: int, value: bytes | None) -> bytes:
        """An item set, at most as much of it as is kept; empty where it is damaged."""
        if not value:
            return b""
        if len(value) % WORD:
            self._damage.note(kind, about=f"{user_hash:016x}")
            return b""
        return value[-self._keep_items * WORD :]

    def _joined(self, user_hash: int, name: str, old: bytes, new: bytes | None) -> bytes | None:
        if name == "vector":
            return old if new is None else new
        if name == "events":
            before, since = self._events_of(user_hash, old), self._events_of(user_hash, new)
            return interleave(before, since)[0][-self._keep_events * EVENT.itemsize :]
        return union(self.items_of(name, user_hash, old), self.items_of(name, user_hash, new))[0]

    def _all_events(self, requests: Sequence[StateRequest], values: Values) -> list[bytes]:
        """The events of each request; empty where they are damaged."""
        most = self._keep_events * EVENT.itemsize
        are_whole = not any(value and (len(value) % EVENT.itemsize or len(value) > most) for value in values)
        if are_whole and is_sound(b"".join(value or b"" for value in values)):
            return [value or b"" for value in values]
        return [self._events_of(request.user_hash, value) for request, value in zip(requests, values, strict=True)]

    def _events_of(self, user_hash: int, value: bytes | None) -> bytes:
        if not value:
            return b""
        if len(value) % EVENT.itemsize:
            self._damage.note("events", about=f"{user_hash:016x}")
            return b""
        value = value[-self._keep_events * EVENT.itemsize :]
        if is_sound(value):
            return value
        self._damage.note("events", about=f"{user_hash:016x}")
        return b"".join(record for record in words(value, EVENT.itemsize) if record[-1] & BEHAVIOUR_MASK)

    def _long_vectors(
        self, requests: Sequence[StateRequest], values: Values, dim: int | None
    ) -> list[tuple[NDArray[np.float32], float] | None]:
        """Vector and weight of each request that has a sound one."""
        pairs: list[tuple[NDArray[np.float32], float] | None] = [None] * len(values)
        present = [index for index, value in enumerate(values) if value is not None]
        if not present:
            return pairs
        if dim is None:
            ((length, _),) = Counter(len(values[index] or b"") for index in present).most_common(1)
            dim = dim_of(b"\0" * length)
        width = long_vector_bytes(dim)
        sound = [index for index in present if dim > 0 and len(values[index] or b"") == width]
        vectors, weights = unpack_long_vectors([values[index] or b"" for index in sound], dim) if sound else ((), ())
        for index, vector, weight in zip(sound, vectors, weights, strict=True):
            if np.abs(vector).max(initial=0.0) < _LARGEST and 0 < weight < _LARGEST:
                pairs[index] = vector, float(weight)
        for index in present:
            if pairs[index] is None:
                self._damage.note("long_vector", about=f"{requests[index].user_hash:016x}")
        return pairs


def stored_user(events: bytes, seen: bytes, purchased: bytes, versions: Sequence[str]) -> StoredUser:
    """A user from sound records; what recent events are about is seen, and purchased, whether a set has it or not."""
    items, types, times = unpack_events(events)
    return StoredUser(
        items,
        types,
        times,
        seen=excluded_items(unpack_items(seen), items, types, Exclude.SEEN),
        purchased=excluded_items(unpack_items(purchased), items, types, Exclude.PURCHASED),
        long_vector_versions=list(versions),
    )


def is_sound(records: bytes) -> bool:
    """Whether each of some event records has a behaviour."""
    last = np.frombuffer(records, dtype=np.uint8)[EVENT.itemsize - 1 :: EVENT.itemsize]
    return bool((last & BEHAVIOUR_MASK).all())


def excluded_items(
    kept: NDArray[np.uint64], recent: NDArray[np.uint64], types: NDArray[np.uint8], exclude: Exclude
) -> NDArray[np.uint64]:
    """The items of a set, and those of recent events that it lacks: items new to the catalogue are in no set yet."""
    if exclude is Exclude.PURCHASED:
        recent = recent[types == PURCHASE]
    if not len(recent):
        return kept
    if len(kept) < _MANY:
        known = set(kept.tolist())
        lacking = [item for item in dict.fromkeys(recent.tolist()) if item not in known]
        return np.concatenate([kept, np.array(lacking, dtype=np.uint64)]) if lacking else kept
    recent = np.unique(recent)
    places = np.minimum(np.searchsorted(recent, kept), len(recent) - 1)
    is_kept = np.zeros(len(recent), dtype=np.bool_)
    is_kept[places[recent[places] == kept]] = True
    return np.concatenate([kept, recent[~is_kept]])
