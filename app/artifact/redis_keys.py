"""The names of keys in Redis: written once, read by service and job.

Keys of people and items end in the eight raw bytes of the hash, least significant first; keys of a version hold two
bytes of its hash. All that one script writes of a person carries the partition in braces, two hexadecimal digits, by
which a Redis Cluster keeps it on one node. With the usual prefix a key has at most 18 bytes; past 22 it would cost
eight more.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from app.artifact.hashing import stable_hash
from app.artifact.people import PARTITIONS, partition_of

PREFIX: Final = "ai:"
LAYOUT: Final = 2
"""The number of this layout; what was stored before the first one that has a number is of `OldKeys`."""

_GLOB: Final = re.compile(rb"([*?\[\]\\])")
_TAGS: Final = tuple(b"{%02x}" % partition for partition in range(PARTITIONS))


def literal(name: bytes) -> bytes:
    """`name` as a pattern that fits itself alone."""
    return _GLOB.sub(rb"\\\1", name)


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
        """The newest items that a user has an event on, as an item set."""
        return self._of(b"s", user_hash)

    def purchased(self, user_hash: int) -> bytes:
        """The newest items that a user purchased, as an item set."""
        return self._of(b"p", user_hash)

    def event_ids(self, user_hash: int) -> bytes:
        """Hashes of the ids of a user's newest events, eight bytes each, which make retries idempotent."""
        return self._of(b"d", user_hash)

    def long_vector(self, version: str, user_hash: int) -> bytes:
        """The long vector of a user in a version; absent for users without events before the window."""
        return self._of(b"v" + version_tag(version), user_hash)

    def item_vector(self, version: str, item_hash: int) -> bytes:
        """The vector of an item in a version: f32 scale, then int8 a dimension."""
        return self.prefix + b"i" + version_tag(version) + item_hash.to_bytes(8, "little")

    def patterns_of_version(self, version: str) -> list[bytes]:
        """Patterns of the keys of a version: its users', in this layout and in the one before, and its items'."""
        prefix, tag = literal(self.prefix), literal(version_tag(version))
        any_hash = b"?" * 8
        return [prefix + b"{??}v" + tag + any_hash, prefix + b"v" + tag + any_hash, prefix + b"i" + tag + any_hash]

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

    def event_stream(self, partition: int) -> bytes:
        """Stream of the events, merges and erasures of a partition's people, until they are collected."""
        return self._in(partition, b"events")

    @property
    def impression_stream(self) -> bytes:
        """Stream of impressions, until they are collected."""
        return self.prefix + b"impressions"

    def erased(self, partition: int) -> bytes:
        """Hash: hash of an erased person (eight bytes) -> unix seconds. Older bundles must not restore them."""
        return self._in(partition, b"erased")

    @property
    def catalogue_documents(self) -> bytes:
        """Hash: item id -> the newest record of the live catalogue (`catalogue_records.unpack_record`)."""
        return self._of_catalogue(b"docs")

    @property
    def catalogue_changes(self) -> bytes:
        """Stream: the entry `sequence-0` of each change names the item that it is of; the oldest go."""
        return self._of_catalogue(b"changes")

    @property
    def catalogue_head(self) -> bytes:
        """How far the live catalogue has come (`catalogue_records.unpack_head`)."""
        return self._of_catalogue(b"head")

    @property
    def catalogue_activity(self) -> bytes:
        """Stream: what happened with live items, for their popularity; the oldest go."""
        return self._of_catalogue(b"activity")

    @property
    def layout(self) -> bytes:
        """The number of the layout (`LAYOUT`) once nothing is left in the one before."""
        return self.prefix + b"layout"

    @property
    def old(self) -> "OldKeys":
        """The keys of the layout before this one."""
        return OldKeys(self.prefix)

    @property
    def probe(self) -> bytes:
        """Written from time to time to check whether the store accepts writes."""
        return self.prefix + b"probe"

    def partition_probe(self, partition: int) -> bytes:
        """The same for the node of a cluster that has a partition."""
        return self._in(partition, b"probe")

    def _of(self, kind: bytes, person_hash: int) -> bytes:
        return self._in(partition_of(person_hash), kind) + person_hash.to_bytes(8, "little")

    def _of_catalogue(self, name: bytes) -> bytes:
        return self.prefix + b"{catalogue}" + name

    def _in(self, partition: int, name: bytes) -> bytes:
        return self.prefix + _TAGS[partition] + name


@dataclass(frozen=True)
class OldKeys:
    """Keys of the layout without partitions, in which users and visitors had one name space: read for one version."""

    prefix: bytes

    def state(self, user_hash: int) -> list[bytes]:
        """Recent events, seen, purchased and event ids of a user."""
        return [self._of(kind, user_hash) for kind in (b"e", b"s", b"p", b"d")]

    def long_vector(self, version: str, user_hash: int) -> bytes:
        """The long vector of a user in a version."""
        return self._of(b"v" + version_tag(version), user_hash)

    @property
    def patterns(self) -> list[bytes]:
        """Patterns of the keys of people, one for each kind of key; the last eight bytes are the hash."""
        prefix = literal(self.prefix)
        lengths = {b"e": 8, b"s": 8, b"p": 8, b"d": 8, b"v": 10}
        return [prefix + kind + b"?" * length for kind, length in lengths.items()]

    @property
    def event_stream(self) -> bytes:
        """Stream of events, merges and erasures."""
        return self.prefix + b"events"

    @property
    def erased(self) -> bytes:
        """Hash: user hash (eight bytes) -> unix seconds of the erasure."""
        return self.prefix + b"erased"

    def _of(self, kind: bytes, user_hash: int) -> bytes:
        return self.prefix + kind + user_hash.to_bytes(8, "little")
