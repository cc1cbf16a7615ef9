"""The versions in the store: read them, point the service at one, and remove others."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

import redis
from pydantic import ValidationError

from app.artifact.published_model import PublishedModel
from app.artifact.redis_keys import Keys, literal, version_tag
from app.stores.redis_gate import is_wrong_type
from offline.errors import PublishRefused

ABANDONED_S: Final = 86_400  # a publication that is not resumed for so long is abandoned
_AT_ONCE: Final = 1_000  # keys


def read_published(client: redis.Redis, keys: Keys) -> dict[str, PublishedModel | None]:
    """Return the records of all versions; None for a record in a form that this code does not know."""
    try:
        stored: Any = client.hgetall(keys.models)
    except redis.ResponseError as error:
        if not is_wrong_type(error):
            raise
        client.unlink(keys.models)  # no list of versions: the next one takes its place
        stored = {}
    return {name.decode(errors="replace"): _model(text) for name, text in stored.items()}


def read_pointer(client: redis.Redis, keys: Keys) -> str | None:
    """Return the version that is served, if any; None where the pointer is damaged, which a publication mends."""
    values: Any = client.mget([keys.pointer])  # None for another type
    stored = values[0]
    return None if stored is None else stored.decode(errors="replace")


def refuse_same_tag(version: str, others: Iterable[str]) -> None:
    """Return when no other version has the tag that the keys of `version` contain.

    Raises:
        PublishRefused: another version has it.
    """
    for other in others:
        if other != version and version_tag(other) == version_tag(version):
            raise PublishRefused(
                f"{version} is not published: its keys would be those of {other}, whose name has the same two-byte "
                "hash: export the bundle again, which gives it another name"
            )


def point_to(client: redis.Redis, keys: Keys, model: PublishedModel) -> None:
    """Make a version the one that all replicas serve, in one step. All of its keys must be there."""
    with client.pipeline(transaction=True) as pipe:
        pipe.hset(keys.models, model.version, model.model_dump_json())
        pipe.set(keys.marker(model.version), b"1")
        pipe.set(keys.pointer, model.version)
        pipe.delete(keys.publishing(model.version))
        pipe.execute()


def is_complete(client: redis.Redis, keys: Keys, version: str) -> bool:
    """Return whether the store has all that `point_to` writes; of the pointer, whether there is one."""
    pointer, marker = client.mget([keys.pointer, keys.marker(version)])
    return pointer is not None and marker is not None and bool(client.hexists(keys.models, version))


def kept_for_rollback(version: str, pointer: str | None, published: dict[str, PublishedModel | None]) -> str | None:
    """Return the version to keep besides `version`: the one served before it, else the newest other one."""
    if pointer not in (None, version):
        return pointer
    others = [(model.published_at, name) for name, model in published.items() if model and name != version]
    return max(others)[1] if others else None


def unfinished(client: redis.Redis, keys: Keys) -> dict[str, float]:
    """Return the versions that are being published or removed, and since when, in unix seconds."""
    stored = {}
    begin = keys.publishing("")
    for key in client.scan_iter(match=literal(begin) + b"*", count=_AT_ONCE):
        stored[key[len(begin) :].decode(errors="replace")] = _begun(client, key)
    return stored


def remove_versions(client: redis.Redis, keys: Keys, versions: Iterable[str]) -> int:
    """Remove the records of versions, then their keys, and return how many keys were removed.

    A version whose removal is stopped half-way is `unfinished`; the next publication removes the rest.
    """
    removed = 0
    for version in versions:
        with client.pipeline(transaction=True) as pipe:
            pipe.delete(keys.publishing(version))
            pipe.hset(keys.publishing(version), "at", "0")
            pipe.hdel(keys.models, version)
            pipe.delete(keys.marker(version))
            pipe.execute()
        for pattern in keys.patterns_of_version(version):
            removed += _remove_keys(client, pattern)
        client.delete(keys.publishing(version))
    return removed


def _remove_keys(client: redis.Redis, pattern: bytes) -> int:
    removed = 0
    for names in _groups(client.scan_iter(match=pattern, count=_AT_ONCE)):
        removed += client.unlink(*names)
    return removed


def _groups(names: Iterator[bytes]) -> Iterator[list[bytes]]:
    while group := list(islice(names, _AT_ONCE)):
        yield group


def _begun(client: redis.Redis, key: bytes) -> float:
    """Unix seconds; 0, and so abandoned, where the record is damaged."""
    try:
        time: Any = client.hget(key, "at")
        return float(time or 0)
    except (ValueError, redis.ResponseError) as error:
        if isinstance(error, ValueError) or is_wrong_type(error):
            return 0.0
        raise


def _model(text: bytes) -> PublishedModel | None:
    try:
        return PublishedModel.model_validate_json(text)
    except ValidationError:
        return None
