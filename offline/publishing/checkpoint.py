"""How far the publication of a version has come, written down in the store so that a stopped one resumes."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import redis

from app.artifact.redis_keys import Keys


@dataclass(frozen=True)
class Checkpoint:
    """How many users and items are written."""

    users: int = 0
    items: int = 0


class CheckpointStore:
    """The checkpoint of one version in Redis.

    Args:
        client: a connection to the store.
        keys: the names of its keys.
        version: the version that is published.
        digest: identifies the bundle's files; a checkpoint of other files under the same name is ignored.
        now: when the command was given.
    """

    def __init__(self, client: redis.Redis, keys: Keys, version: str, digest: str, now: datetime) -> None:
        self._client = client
        self._key = keys.publishing(version)
        self._head = {"files": digest, "at": repr(now.timestamp())}

    def read(self) -> Checkpoint:
        """Return the last checkpoint of the same files, or an empty one."""
        stored: Any = self._client.hgetall(self._key)
        if stored.get(b"files") != self._head["files"].encode():
            return Checkpoint()
        return Checkpoint(int(stored.get(b"users", 0)), int(stored.get(b"items", 0)))

    def write(self, checkpoint: Checkpoint) -> None:
        """Store how far the publication has come."""
        fields: dict[Any, Any] = {**self._head, "users": checkpoint.users, "items": checkpoint.items}
        self._client.hset(self._key, mapping=fields)

    def clear(self) -> None:
        """Remove the checkpoint, so that the next publication begins from the start."""
        self._client.delete(self._key)
