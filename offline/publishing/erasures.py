"""Find erased users, so that a bundle older than the erasure does not bring them back."""

from collections.abc import Sequence
from typing import Any

import redis

from app.artifact.redis_keys import Keys


def find_erased(client: redis.Redis, keys: Keys, hashes: Sequence[int], cut: float | None) -> set[int]:
    """Return the users whom a bundle with that cut (unix seconds) must leave out; without a cut, all erased ones."""
    if not hashes:
        return set()
    times: Any = client.hmget(keys.erased, [user_hash.to_bytes(8, "little") for user_hash in hashes])
    return erasures_among(hashes, times, cut)


def erasures_among(hashes: Sequence[int], times: Sequence[bytes | None], cut: float | None) -> set[int]:
    """Return the same from `times`: for each user the unix seconds of the erasure as text, or None."""
    return {
        user_hash
        for user_hash, time in zip(hashes, times, strict=True)
        if time is not None and (cut is None or float(time) >= cut)
    }


def forget_vectors(client: redis.Redis, keys: Keys, version: str, cut: float | None) -> None:
    """Remove the long vectors of users who were erased while the version was being written.

    An erasure removes the long vectors of published versions only, and this one was not published yet.
    """
    times: Any = client.hgetall(keys.erased)
    hashes = [int.from_bytes(name, "little") for name in times]
    erased = erasures_among(hashes, list(times.values()), cut)
    if erased:
        client.unlink(*(keys.long_vector(version, user_hash) for user_hash in erased))
