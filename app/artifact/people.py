"""The hashes under which people are stored: users and visitors are two kinds, whose ids never meet."""

import re
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Final, Literal

from app.artifact.hashing import stable_hash

PersonKind = Literal["user", "visitor"]
"""A user is known to the shop by an id; a visitor is a device or browser that is not logged in."""

PARTITIONS: Final = 256
_KEPT: Final = 1_024  # hashes: one call asks for that of its person several times
_VISITOR: Final = b"visitor"  # blake2b's personalisation: no text of a user has the hash that it has as a visitor's


MAIL: Final = r"[A-Za-z0-9._%+'&/=?^{|}~!#$*-]+@[A-Za-z0-9](?:[A-Za-z0-9-]*\.)+[A-Za-z][A-Za-z0-9-]*"
"""What a mail address looks like."""
_MAIL: Final = re.compile(MAIL)


@lru_cache(_KEPT)
def user_hash(user_id: str) -> int:
    """The unsigned 64-bit hash of the id of a user, the same in every process, release and machine.

    A mail address and what `hidden_mail` makes of it have the same; a text that only looks like the latter has one of
    its own, so that nobody's hash can be written as an id.
    """
    return stable_hash(_kept_text(user_id))


def hidden_mail(address: str) -> str:
    """What stands for a mail address that is the id of a person, wherever ids are kept: its hash as a text."""
    return f"mail:{stable_hash(address):016x}"


@lru_cache(_KEPT)
def visitor_hash(visitor_id: str) -> int:
    """The unsigned 64-bit hash of the id of a visitor; another than that of a user with the same id."""
    text = _kept_text(visitor_id).encode()
    return int.from_bytes(blake2b(text, digest_size=8, person=_VISITOR).digest(), "little")


def _kept_text(person_id: str) -> str:
    """An id as it is kept: hidden where it is a mail address."""
    return hidden_mail(person_id) if "@" in person_id and _MAIL.fullmatch(person_id) else person_id


@dataclass(frozen=True, slots=True)
class Person:
    """A user or a visitor."""

    kind: PersonKind
    id: str

    @property
    def hash(self) -> int:
        """The unsigned 64-bit hash of the person, by which stores, logs and bundles know them."""
        return user_hash(self.id) if self.kind == "user" else visitor_hash(self.id)


def person_of(user_id: str | None, visitor_id: str | None, session_id: str | None = None) -> Person | None:
    """The person of a call or an event: the user where there is one, else the visitor, else whoever the session is of,
    a visitor of whom nothing but the session is known; `None` for nobody.
    """
    if user_id is not None:
        return Person("user", user_id)
    visitor_id = session_id if visitor_id is None else visitor_id
    return None if visitor_id is None else Person("visitor", visitor_id)


def partition_of(person_hash: int) -> int:
    """The partition of a user or visitor, below `PARTITIONS`: all that one script writes of them lies in it."""
    return person_hash % PARTITIONS
