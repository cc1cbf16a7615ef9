"""Find erased users, so that a bundle older than the erasure does not bring them back."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import redis

from app.artifact.bundle_store import resolve
from app.artifact.erasures import ERASURES, note_erasures
from app.artifact.people import PARTITIONS, partition_of
from app.artifact.redis_keys import Keys
from app.stores.redis_gate import is_wrong_type
from app.stores.redis_old_layout import seconds_of
from offline.workspace.storage_errors import storage_error

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


def write_down_erasures(client: redis.Redis, keys: Keys, bundle: Path) -> int:
    """Add the erasures of the store to the list beside a bundle, and return how many it lacked.

    From then on they hold for all bundles there, whatever becomes of Redis.

    Args:
        client: a connection to the store.
        keys: the names of its keys.
        bundle: a bundle, or a store of bundles.

    Raises:
        BundleError: there is no bundle.
        StorageError: the list cannot be written.
    """
    folder = resolve(bundle).parent
    erasures: dict[int, float] = {}
    for name in (keys.old.erased, *map(keys.erased, range(PARTITIONS))):
        erasures |= {person: seconds_of(time) for person, time in _times_in(client, name).items()}
    try:
        return note_erasures(folder, erasures)
    except OSError as error:
        raise storage_error(error, folder / ERASURES) from error


def forget_vectors(client: redis.Redis, keys: Keys, version: str, cut: float | None) -> None:
    """Remove the long vectors of users who were erased while the version was being written.

    An erasure removes the long vectors of published versions only, and this one was not published yet.
    """
    for partition in range(PARTITIONS):
        times = _times_in(client, keys.erased(partition))
        erased = erasures_among(list(times), list(times.values()), cut)
        if erased:
            client.unlink(*(keys.long_vector(version, user_hash) for user_hash in erased))


def _times_in(client: redis.Redis, name: bytes) -> dict[int, bytes]:
    """The erasures in one key, unix seconds as text by hash; none in a key of another type."""
    try:
        stored: Any = client.hgetall(name)
    except redis.ResponseError as error:
        if is_wrong_type(error):
            return {}
        raise
    return {int.from_bytes(field, "little"): time for field, time in stored.items() if len(field) == _HASH_BYTES}
