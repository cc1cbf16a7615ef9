"""The names of keys in Redis: written once, read by service and job.

Keys of people and items end in the eight raw bytes of the stable hash, least significant first; keys of a version hold
two bytes of its hash. Fourteen bytes in all with the usual prefix: one more would cost eight.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from app.artifact.hashing import stable_hash

PREFIX: Final = "ai:"


@lru_cache(maxsize=64)  # read with every key
def version_tag(version: str) -> bytes:
    """The two bytes that stand for a version in keys; `publish` refuses a version whose tag another one has."""
    return stable_hash(version).to_bytes(8, "little")[:2]


@dataclass(frozen=True)
class Keys:
    """All keys below one prefix."""

    prefix: bytes = PREFIX.encode()

    def events(self, user_hash: int) -> bytes:
        """Recent events of a user: records of `user_records.EVENT`, oldest first."""
        return self._of(b"e", user_hash)

    def seen(self, user_hash: int) -> bytes:
        """Every item that a user has an event on, as an item set."""
        return self._of(b"s", user_hash)

    def purchased(self, user_hash: int) -> bytes:
        """Every item that a user purchased, as an item set."""
        return self._of(b"p", user_hash)

    def event_ids(self, user_hash: int) -> bytes:
        """Hashes of the ids of a user's newest events, eight bytes each, which make retries idempotent."""
        return self._of(b"d", user_hash)

    def long_vector(self, version: str, user_hash: int) -> bytes:
        """The long vector of a user in a version; absent for users without events before the window."""
        return self._of(b"v" + version_tag(version), user_hash)

    def item_vector(self, version: str, item_hash: int) -> bytes:
        """The vector of an item in a version: f32 scale, then int8 a dimension."""
        return self._of(b"i" + version_tag(version), item_hash)

    def of_version(self, version: str) -> tuple[bytes, bytes]:
        """The prefixes of the keys of a version's users, and of those of its items."""
        tag = version_tag(version)
        return self.prefix + b"v" + tag, self.prefix + b"i" + tag

    def marker(self, version: str) -> bytes:
        """Exists while the keys of a version are complete: a store that was flushed lacks it."""
        return self.prefix + b"m" + version_tag(version)

    def publishing(self, version: str) -> bytes:
        """The progress of the publication of a version, as a hash of counts."""
        return self.prefix + b"publishing:" + version.encode()

    @property
    def models(self) -> bytes:
        """Hash: version -> JSON of `published_model.PublishedModel`."""
        return self.prefix + b"models"

    @property
    def pointer(self) -> bytes:
        """The version to serve."""
        return self.prefix + b"current"

    @property
    def cursor_secret(self) -> bytes:
        """The secret by which all replicas sign cursors; made by the first."""
        return self.prefix + b"cursor_secret"

    @property
    def replicas(self) -> bytes:
        """Set: the names of the replicas that follow the pointer, and of some that have ended."""
        return self.prefix + b"replicas"

    def replica(self, name: str) -> bytes:
        """JSON of `replica_record.ReplicaRecord`; gone some seconds after its replica."""
        return self.prefix + b"replica:" + name.encode()

    @property
    def event_stream(self) -> bytes:
        """Stream of accepted events, merges and erasures, until they are collected."""
        return self.prefix + b"events"

    @property
    def impression_stream(self) -> bytes:
        """Stream of impressions, until they are collected."""
        return self.prefix + b"impressions"

    @property
    def erased(self) -> bytes:
        """Hash: user hash (eight bytes) -> unix seconds of the erasure. Older bundles must not restore them."""
        return self.prefix + b"erased"

    @property
    def probe(self) -> bytes:
        """Written from time to time to check whether the store accepts writes."""
        return self.prefix + b"probe"

    def _of(self, kind: bytes, hash_: int) -> bytes:
        return self.prefix + kind + hash_.to_bytes(8, "little")
