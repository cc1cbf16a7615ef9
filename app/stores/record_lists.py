"""Lists of fixed-width records as bytes: the scripts inside Redis again, for the store inside the process."""

from collections import Counter
from collections.abc import Sequence

from app.artifact.user_records import EVENT

WIDTH = EVENT.itemsize
WORD = 8
_FEW = 32


def words(text: bytes, width: int) -> list[bytes]:
    """`text` in pieces of `width` bytes."""
    return [text[start : start + width] for start in range(0, len(text), width)]


def time_of(record: bytes) -> int:
    """The time of an event record in 1/64 s, 0 where unknown."""
    return int.from_bytes(record[8:12], "little") * 64 + (record[12] >> 2)


def has(text: bytes, word: bytes) -> bool:
    """Whether a set of words has one."""
    place = text.find(word)
    while place >= 0 and place % WORD:
        place = text.find(word, place + 1)
    return place >= 0


def among(text: bytes, queries: Sequence[bytes]) -> set[bytes]:
    """Which of some words are in a set of words; of more than a few, the set is read once."""
    if len(queries) < _FEW:
        return {word for word in queries if has(text, word)}
    return set(queries).intersection(words(text, WORD))


def insert(events: bytes, record: bytes) -> bytes:
    """`events` with `record` before those that happened later."""
    time, end = time_of(record), len(events)
    while end > 0 and time > 0 and time_of(events[end - WIDTH : end]) > time:
        end -= WIDTH
    return events[:end] + record + events[end:]


def union(own: bytes, more: bytes) -> tuple[bytes, int]:
    """An item set with what it lacks of `more`, and how much that is."""
    known = set(words(own, WORD))
    added = [word for word in dict.fromkeys(words(more, WORD)) if word not in known]
    return own + b"".join(added), len(added)


def interleave(base: bytes, extra: bytes) -> tuple[bytes, int]:
    """The events of both in order, and how many of `extra` the other lacks.

    An event of `extra` goes behind one of `base` of the same time, and without a time to the front.
    """
    known = Counter(words(base, WIDTH))
    timed: list[bytes] = []
    merged: list[bytes] = []
    for record in words(extra, WIDTH):
        if known[record] > 0:
            known[record] -= 1
        else:
            (timed if time_of(record) else merged).append(record)
    added = len(merged) + len(timed)
    merged += _merge_by_time(words(base, WIDTH), timed)
    return b"".join(merged), added


def _merge_by_time(base: Sequence[bytes], extra: Sequence[bytes]) -> list[bytes]:
    merged: list[bytes] = []
    index = 0
    for record in base:
        while index < len(extra) and time_of(extra[index]) < time_of(record):
            merged.append(extra[index])
            index += 1
        merged.append(record)
    return [*merged, *extra[index:]]
