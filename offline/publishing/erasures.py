"""Find erased users, so that a bundle older than the erasure does not bring them back."""

from collections.abc import Sequence
from typing import Any

import redis

from app.artifact.people import PARTITIONS, partition_of
from app.artifact.redis_keys import Keys
from app.stores.redis_gate import is_wrong_type
from app.stores.redis_old_layout import seconds_of

_HASH_BYTES = 8


def find_erased(client: redis.Redis, keys: Keys, hashes: Sequence[int], cut: float | None) -> set[int]:
    """Return the users whom a bundle with that cut (unix seconds) must leave out; without a cut, all erased ones."""
    if not hashes:
        return set()
    with client.pipeline(transaction=False) as pipe:
        ask_erasures(pipe, keys, hashes)
        times = pipe.execute(raise_on_error=False)
    return erasures_among(hashes, times, cut)


def ask_erasures(pipe: Any, keys: Keys, hashes: Sequence[int]) -> None:
    """Ask in a pipeline when each user was erased; the replies are what `erasures_among` reads."""
    for user_hash in hashes:
        pipe.hget(keys.erased(partition_of(user_hash)), user_hash.to_bytes(_HASH_BYTES, "little"))


def erasures_among(hashes: Sequence[int], times: Sequence[Any], cut: float | None) -> set[int]:
    """Return the same from `times`: for each user the unix seconds of the erasure as text, or None.

    A time that cannot be read counts as after every cut.

    Raises:
        RedisError: a reply is an error, but for that of a key of another type, which holds no erasures.
    """
    for time in times:
        if isinstance(time, Exception) and not is_wrong_type(time):
            raise time
    return {
        user_hash
        for user_hash, time in zip(hashes, times, strict=True)
        if isinstance(time, bytes) and (cut is None or seconds_of(time) >= cut)
    }


def forget_vectors(client: redis.Redis, keys: Keys, version: str, cut: float | None) -> None:
    """Remove the long vectors of users who were erased while the version was being written.

    An erasure removes the long vectors of published versions only, and this one was not published yet.
    """
    for partition in range(PARTITIONS):
        try:
            stored: Any = client.hgetall(keys.erased(partition))
        except redis.ResponseError as error:
            if is_wrong_type(error):
                continue
            raise
        times = {int.from_bytes(name, "little"): time for name, time in stored.items() if len(name) == _HASH_BYTES}
        erased = erasures_among(list(times), list(times.values()), cut)
        if erased:
            client.unlink(*(keys.long_vector(version, user_hash) for user_hash in erased))
