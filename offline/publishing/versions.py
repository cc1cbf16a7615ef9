"""The versions in the store: which there are, which is served, and which go."""

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

import redis
from pydantic import ValidationError

from app.artifact.published_model import PublishedModel
from app.artifact.redis_keys import Keys, version_tag
from offline.errors import PublishRefused

ABANDONED_S: Final = 86_400  # a publication that nobody went on with for so long is over
_AT_ONCE: Final = 1_000  # keys
_HASH_BYTES: Final = 8
_GLOB: Final = re.compile(rb"([*?\[\]\\])")


def read_published(client: redis.Redis, keys: Keys) -> dict[str, PublishedModel | None]:
    """All versions; `None` for one that was written down in a form that this code does not know."""
    stored: Any = client.hgetall(keys.models)
    return {name.decode(): _model(text) for name, text in stored.items()}


def read_pointer(client: redis.Redis, keys: Keys) -> str | None:
    """The version that is served."""
    stored: Any = client.get(keys.pointer)
    return None if stored is None else stored.decode()


def refuse_same_tag(version: str, others: Iterable[str]) -> None:
    """Return when the keys of `version` cannot be taken for those of another one.

    Raises:
        PublishRefused: they can.
    """
    for other in others:
        if other != version and version_tag(other) == version_tag(version):
            raise PublishRefused(
                f"{version} is not published: its keys would be those of {other}, whose name has the same two-byte "
                "hash: export the bundle again, which gives it another name"
            )


def point_to(client: redis.Redis, keys: Keys, model: PublishedModel) -> None:
    """Make a version whose keys are all there the one to serve: in one step, for every replica."""
    with client.pipeline(transaction=True) as pipe:
        pipe.hset(keys.models, model.version, model.model_dump_json())
        pipe.set(keys.marker(model.version), b"1")
        pipe.set(keys.pointer, model.version)
        pipe.delete(keys.publishing(model.version))
        pipe.execute()


def kept_for_rollback(version: str, pointer: str | None, published: dict[str, PublishedModel | None]) -> str | None:
    """The version to keep beside `version`: the one served before it, else the newest other."""
    if pointer not in (None, version):
        return pointer
    others = [(model.published_at, name) for name, model in published.items() if model and name != version]
    return max(others)[1] if others else None


def unfinished(client: redis.Redis, keys: Keys) -> dict[str, float]:
    """Versions that are being published or removed, and since when, in unix seconds."""
    stored = {}
    begin = keys.publishing("")
    for key in client.scan_iter(match=_escaped(begin) + b"*", count=_AT_ONCE):
        time: Any = client.hget(key, "at")
        stored[key[len(begin) :].decode()] = float(time or 0)
    return stored


def remove_versions(client: redis.Redis, keys: Keys, versions: Iterable[str]) -> int:
    """Take versions off the list, then remove their keys; how many those were.

    What is left when this is stopped is `unfinished`, for the next publication to remove.
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
