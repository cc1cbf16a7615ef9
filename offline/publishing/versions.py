"""The versions in the store: read them, point the service at one, and remove others."""

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

import redis
from pydantic import ValidationError

from app.artifact.published_model import PublishedModel
from app.artifact.redis_keys import Keys, version_tag
from offline.errors import PublishRefused

ABANDONED_S: Final = 86_400  # a publication that is not resumed for so long is abandoned
_AT_ONCE: Final = 1_000  # keys
_HASH_BYTES: Final = 8
_GLOB: Final = re.compile(rb"([*?\[\]\\])")


def read_published(client: redis.Redis, keys: Keys) -> dict[str, PublishedModel | None]:
    """Return the records of all versions; None for a record in a form that this code does not know."""
    stored: Any = client.hgetall(keys.models)
    return {name.decode(): _model(text) for name, text in stored.items()}


def read_pointer(client: redis.Redis, keys: Keys) -> str | None:
    """Return the version that is served, if any."""
    stored: Any = client.get(keys.pointer)
    return None if stored is None else stored.decode()


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
    for key in client.scan_iter(match=_escaped(begin) + b"*", count=_AT_ONCE):
        time: Any = client.hget(key, "at")
        stored[key[len(begin) :].decode()] = float(time or 0)
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
        for begin in keys.of_version(version):
            removed += _remove_keys(client, begin)
        client.delete(keys.publishing(version))
    return removed


def _remove_keys(client: redis.Redis, begin: bytes) -> int:
    removed = 0
    stored = client.scan_iter(match=_escaped(begin) + b"*", count=_AT_ONCE)
    own = (key for key in stored if len(key) == len(begin) + _HASH_BYTES)
    for names in _groups(own):
        removed += client.unlink(*names)
    return removed


def _groups(names: Iterator[bytes]) -> Iterator[list[bytes]]:
    while group := list(islice(names, _AT_ONCE)):
        yield group


def _escaped(begin: bytes) -> bytes:
    return _GLOB.sub(rb"\\\1", begin)


def _model(text: bytes) -> PublishedModel | None:
    try:
        return PublishedModel.model_validate_json(text)
    except ValidationError:
        return None
