"""The hashes under which people are stored: users and visitors are two kinds, whose ids never meet."""

from hashlib import blake2b
from typing import Final

from app.artifact.hashing import stable_hash

PARTITIONS: Final = 256
_VISITOR: Final = b"visitor"  # blake2b's personalisation: no text of a user has the hash that it has as a visitor's


def user_hash(user_id: str) -> int:
    """The unsigned 64-bit hash of the id of a user, the same in every process, release and machine."""
    return stable_hash(user_id)


def visitor_hash(visitor_id: str) -> int:
    """The unsigned 64-bit hash of the id of a visitor; another than that of a user with the same id."""
    return int.from_bytes(blake2b(visitor_id.encode(), digest_size=8, person=_VISITOR).digest(), "little")


def partition_of(person_hash: int) -> int:
    """The partition of a user or visitor, below `PARTITIONS`: all that one script writes of them lies in it."""
    return person_hash % PARTITIONS
