"""Users who were erased: a bundle that is older than the erasure must not bring them back."""

from collections.abc import Sequence
from typing import Any

import redis

from app.artifact.redis_keys import Keys


def find_erased(client: redis.Redis, keys: Keys, hashes: Sequence[int], cut: float | None) -> set[int]:
    """Those of the users whom a bundle of that cut must leave out."""
    if not hashes:
        return set()
    times: Any = client.hmget(keys.erased, [user_hash.to_bytes(8, "little") for user_hash in hashes])
    return erasures_among(hashes, times, cut)


def erasures_among(hashes: Sequence[int], times: Sequence[bytes | None], cut: float | None) -> set[int]:
    """The same, from what is written down of each user: the unix seconds of the erasure, or nothing."""
    return {
        user_hash
        for user_hash, time in zip(hashes, times, strict=True)
        if time is not None and (cut is None or float(time) >= cut)
    }


def forget_vectors(client: redis.Redis, keys: Keys, version: str, cut: float | None) -> None:
    """Remove the long vectors of users who were erased after theirs was written.

    An erasure removes those of the versions that are published; this one was not yet.
    """
    times: Any = client.hgetall(keys.erased)
    hashes = [int.from_bytes(name, "little") for name in times]
    erased = erasures_among(hashes, list(times.values()), cut)
    if erased:
        client.unlink(*(keys.long_vector(version, user_hash) for user_hash in erased))
