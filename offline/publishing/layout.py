"""The layout of keys in a store: which one it has, and erasures of the one before."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

import redis

from app.artifact.people import partition_of
from app.artifact.redis_keys import LAYOUT, Keys
from app.stores.redis_gate import is_wrong_type
from app.stores.redis_job_cluster import JobCluster
from app.stores.redis_old_layout import seconds_of
from app.stores.scripts import script
from offline.publishing.erasures import ask_erasures

PENDING: Final = (
    "what is stored of users is in the layout of the Aisle before, and is read there too: once all replicas are of "
    "this Aisle, run `aisle-offline migrate`"
)
_AT_ONCE: Final = 1_000
_HASH_BYTES: Final = 8


def is_migrated(client: redis.Redis, keys: Keys) -> bool:
    """Return whether nothing is left in the layout before, of which a cluster never had anything."""
    if isinstance(client, JobCluster):
        return True
    values: Any = client.mget([keys.layout])
    return bool(values[0] == b"%d" % LAYOUT)


def mark_layout(client: redis.Redis, keys: Keys) -> bool:
    """Return whether nothing is left in the layout before; a store that never had it gets its mark here."""
    if isinstance(client, JobCluster):
        client.set(keys.layout, LAYOUT)
    if is_migrated(client, keys):
        return True
    old = keys.old
    if client.exists(keys.models, old.event_stream, old.erased):
        return False
    for pattern in old.patterns:
        if any(True for _ in client.scan_iter(match=pattern, count=10_000)):
            return False
    client.set(keys.layout, LAYOUT)
    return True


def carry_erasures(client: redis.Redis, keys: Keys, versions: Iterable[str]) -> int:
    """Erase in this layout those who were erased in the one before, and return how many were not yet.

    What came of them since they were erased here is kept.
    """
    source, names = script("erase"), list(versions)
    digest: Any = client.script_load(source)
    carried = 0
    for times in _groups(_old_erasures(client, keys)):
        hashes = [int.from_bytes(name, "little") for name in times]
        with client.pipeline(transaction=False) as pipe:
            ask_erasures(pipe, keys, hashes)
            known = pipe.execute(raise_on_error=False)
        with client.pipeline(transaction=False) as pipe:
            for (name, time), user_hash, since in zip(times.items(), hashes, known, strict=True):
                if isinstance(since, bytes) and seconds_of(since) >= seconds_of(time):
                    continue
                partition = partition_of(user_hash)
                written = [
                    keys.event_stream(partition),
                    keys.erased(partition),
                    *(of(user_hash) for of in (keys.events, keys.seen, keys.purchased, keys.event_ids)),
                    *(keys.long_vector(version, user_hash) for version in names),
                ]
                pipe.evalsha(digest, len(written), *written, name, time, "")
                carried += 1
            pipe.execute()
    return carried


def _old_erasures(client: redis.Redis, keys: Keys) -> Iterator[tuple[bytes, bytes]]:
    try:
        yield from client.hscan_iter(keys.old.erased, count=_AT_ONCE)
    except redis.ResponseError as error:
        if not is_wrong_type(error):
            raise


def _groups(pairs: Iterator[tuple[bytes, bytes]]) -> Iterator[Mapping[bytes, bytes]]:
    whole = (pair for pair in pairs if len(pair[0]) == _HASH_BYTES)
    while group := dict(islice(whole, _AT_ONCE)):
        yield group
