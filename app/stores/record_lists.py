"""Lists of fixed-width records as bytes: what the scripts inside Redis do, for the store inside the process."""

from collections import Counter
from collections.abc import Sequence

from app.artifact.user_records import EVENT

WIDTH = EVENT.itemsize
WORD = 8


def words(text: bytes, width: int) -> list[bytes]:
    """`text` in pieces of `width` bytes."""
    return [text[at : at + width] for at in range(0, len(text), width)]


def when(record: bytes) -> int:
    """The time of an event record in 1/64 s, 0 where unknown."""
    return int.from_bytes(record[8:12], "little") * 64 + (record[12] >> 2)


def insert(events: bytes, record: bytes) -> bytes:
    """`events` with `record` before those that happened later."""
    time, at = when(record), len(events)
    while at > 0 and time > 0 and when(events[at - WIDTH : at]) > time:
        at -= WIDTH
    return events[:at] + record + events[at:]


def union(own: bytes, more: bytes) -> tuple[bytes, int]:
    """An item set with what it lacks of `more`, and how much that is."""
    known = set(words(own, WORD))
    added = [word for word in dict.fromkeys(words(more, WORD)) if word not in known]
    return own + b"".join(added), len(added)


def interleave(base: bytes, extra: bytes) -> tuple[bytes, int]:
    """The events of both in order, and how many of `extra` the other lacks.

    What happened at the same time as an event of `base` goes behind it, and what has no time to the front.
    """
    known = Counter(words(base, WIDTH))
    rest: list[bytes] = []
    merged: list[bytes] = []
    for record in words(extra, WIDTH):
        if known[record] > 0:
            known[record] -= 1
        else:
            (rest if when(record) else merged).append(record)
    taken = len(merged) + len(rest)
    merged += _in_order(words(base, WIDTH), rest)
    return b"".join(merged), taken


def _in_order(base: Sequence[bytes], rest: Sequence[bytes]) -> list[bytes]:
    merged: list[bytes] = []
    place = 0
    for record in base:
        while place < len(rest) and when(rest[place]) < when(record):
            merged.append(rest[place])
            place += 1
        merged.append(record)
    return [*merged, *rest[place:]]
