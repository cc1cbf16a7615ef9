"""How far the publication of a version has come, written down in the store so that a stopped one goes on."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import redis

from app.artifact.redis_keys import Keys


@dataclass(frozen=True)
class Place:
    """How many users and items are written."""

    users: int = 0
    items: int = 0


class PlaceRecord:
    """The place of one version.

    Args:
        client: of the store.
        keys: its keys.
        version: that is published.
        digest: of the bundle's files: the place of others under the same name does not count.
        at: when the command was given.
    """

    def __init__(self, client: redis.Redis, keys: Keys, version: str, digest: str, at: datetime) -> None:
        self._client = client
        self._key = keys.publishing(version)
        self._head = {"files": digest, "at": repr(at.timestamp())}

    def read(self) -> Place:
        """The place to go on from."""
        found: Any = self._client.hgetall(self._key)
        if found.get(b"files") != self._head["files"].encode():
            return Place()
        return Place(int(found.get(b"users", 0)), int(found.get(b"items", 0)))

    def note(self, place: Place) -> None:
        """So much is written."""
        fields: dict[Any, Any] = {**self._head, "users": place.users, "items": place.items}
        self._client.hset(self._key, mapping=fields)

    def forget(self) -> None:
        """Begin from the start next time."""
        self._client.delete(self._key)
