"""Records of the live catalogue, and the form in which Redis holds them: written by the service, read by the job too.

A record is what the catalogue says of one item instead of a bundle, or over it. Its body is JSON, which nothing here
reads.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal, cast

Kind = Literal["put", "patch", "delete"]
"""A whole document; fields over what the bundle says; an item that is answered nowhere any more."""

ACTIVITY_FIELD: Final = b"a"  # the one field of an entry of the stream of activity

_HEAD: Final = re.compile(rb"([0-9A-Za-z]+) ([0-9]{1,16}) ([0-9A-Za-z]+)", re.ASCII)
_RECORD: Final = re.compile(rb"([0-9]{1,16}) ([0-9]{1,16}) (put|patch|delete) (.*)", re.ASCII | re.DOTALL)


@dataclass(frozen=True, slots=True)
class CatalogueHead:
    """How far a catalogue has come: sequence numbers of one epoch are comparable, those of two are not."""

    epoch: str  # random, made with the first change; empty where there was none
    sequence: int  # of the newest change; 0 where there was none


NO_CHANGE: Final = CatalogueHead("", 0)


@dataclass(frozen=True, slots=True)
class CatalogueRecord:
    """What the newest change of an item left."""

    item_id: str
    born: int  # the sequence at which the id was first written; it stays through deletion and return
    sequence: int
    kind: Kind
    body: bytes  # JSON of the fields; empty for `delete`


def unpack_record(name: bytes, value: bytes) -> CatalogueRecord | None:
    """The record of a name and a value of the hash of documents, `None` where they are no record."""
    parts = _RECORD.fullmatch(value)
    if parts is None:
        return None
    try:
        item_id = name.decode()
    except UnicodeDecodeError:
        return None
    born, sequence, kind, body = parts.groups()
    return CatalogueRecord(item_id, int(born), int(sequence), cast(Kind, kind.decode()), body)


def unpack_head(value: bytes | None) -> tuple[CatalogueHead, bytes] | None:
    """The head and the mark of the call that wrote it; `NO_CHANGE` without a value, `None` where it is no head."""
    if value is None:
        return NO_CHANGE, b""
    parts = _HEAD.fullmatch(value)
    if parts is None:
        return None
    epoch, sequence, mark = parts.groups()
    return CatalogueHead(epoch.decode(), int(sequence)), mark
