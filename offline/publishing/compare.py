"""Read a publication back, and compare it with the bundle."""

from collections.abc import Sequence
from typing import Any, Final

import redis

from app.artifact.redis_keys import Keys
from app.artifact.user_records import EVENT
from offline.publishing.erasures import ask_erasures, erasures_among
from offline.publishing.user_seeds import UserSeed, UserWriter

_ITEM_BYTES: Final = 8
_KINDS: Final = ("recent events", "items seen", "items purchased", "long vector")


def differing_users(
    client: redis.Redis,
    keys: Keys,
    writer: UserWriter,
    seeds: Sequence[UserSeed],
    cut: float | None,
    keep_events: int,
    keep_items: int,
) -> dict[int, str]:
    """Return the users whose records in the store differ from their seeds, and the first record that differs.

    Users who were erased since the cut are not compared. What the store learned since the cut is no difference: further
    events and items, and missing old ones that newer ones pushed out.
    """
    names = [name for seed in seeds for name in writer.names_of(seed.user_hash)]
    hashes = [seed.user_hash for seed in seeds]
    with client.pipeline(transaction=False) as pipe:
        pipe.mget(names)
        ask_erasures(pipe, keys, hashes)  # last, to know all of them
        values, *times = pipe.execute(raise_on_error=False)
    if isinstance(values, Exception):
        raise values
    erased = erasures_among(hashes, times, cut)
    differing = {}
    for index, seed in enumerate(seeds):
        if seed.user_hash not in erased:
            kind = _difference(seed, values[4 * index : 4 * index + 4], keep_events, keep_items)
            if kind is not None:
                differing[seed.user_hash] = kind
    return differing


def differing_items(client: redis.Redis, seeds: dict[bytes, bytes]) -> dict[bytes, bool]:
    """Return the keys of items of which the store has no vector, true, or another one, false.

    `seeds` are values by key.
    """
    values: Any = client.mget(list(seeds))
    stored = zip(seeds.items(), values, strict=True)
    return {name: value is None for (name, given), value in stored if value != given}


def _difference(seed: UserSeed, stored: Sequence[bytes | None], keep_events: int, keep_items: int) -> str | None:
    events, seen, purchased, vector = stored
    agrees = (
        _has_newest(events or b"", seed.events, EVENT.itemsize, keep_events),
        _has_newest(seen or b"", seed.seen, _ITEM_BYTES, keep_items),
        _has_newest(purchased or b"", seed.purchased, _ITEM_BYTES, keep_items),
        seed.long_vector is None or vector == seed.long_vector,
    )
    return next((kind for kind, is_equal in zip(_KINDS, agrees, strict=True) if not is_equal), None)


def _has_newest(stored: bytes, given: bytes, width: int, keep: int) -> bool:
    if stored == given:
        return True
    expected, present = _words(given, width), _words(stored, width)
    known = set(present)
    missing = [index for index, record in enumerate(expected) if record not in known]
    # Newer ones push out the oldest: no others may be missing, and only where there are as many as there can be.
    made_room = missing == list(range(len(missing))) and len(present) >= min(keep, len(expected))
    return not missing or made_room


def _words(text: bytes, width: int) -> list[bytes]:
    return [text[start : start + width] for start in range(0, len(text), width)]
