"""Read a stream of Redis in order, and trim it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import redis

_AT_ONCE = 10_000  # entries in one exchange


@dataclass(frozen=True, order=True, slots=True)
class StreamId:
    """The id of an entry: milliseconds, and a number within the millisecond."""

    ms: int
    seq: int

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Parse what `str` and `sortable` return; return None for anything else."""
        reply = re.fullmatch(r"(\d+)-(\d+)", text)
        return None if reply is None else cls(int(reply[1]), int(reply[2]))

    def __str__(self) -> str:
        return f"{self.ms}-{self.seq}"

    @property
    def sortable(self) -> str:
        """The id padded with zeros, so that texts sort as ids do."""
        return f"{self.ms:015d}-{self.seq:010d}"

    def next(self) -> "StreamId":
        """Return the smallest larger id."""
        return StreamId(self.ms, self.seq + 1)


START = StreamId(0, 0)  # no entry has it


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a stream."""

    id: StreamId
    fields: dict[bytes, bytes]


class Stream:
    """One stream in Redis.

    Args:
        client: a connection to the store.
        key: the key of the stream.
    """

    def __init__(self, client: redis.Redis, key: bytes) -> None:
        self._client = client
        self._key = key

    def __len__(self) -> int:
        reply: Any = self._client.xlen(self._key)
        return int(reply)

    def first(self) -> StreamId | None:
        """Return the id of the oldest entry; None when the stream is empty."""
        reply: Any = self._client.xrange(self._key, count=1)
        return _id_of(reply[0][0]) if reply else None

    def last(self) -> StreamId | None:
        """Return the id of the newest entry; None when the stream is empty."""
        reply: Any = self._client.xrevrange(self._key, count=1)
        return _id_of(reply[0][0]) if reply else None

    def between(self, after: StreamId, upto: StreamId) -> Iterator[Entry]:
        """Yield the entries after `after`, up to and including `upto`, in order."""
        begin = after
        while True:
            reply: Any = self._client.xrange(self._key, str(begin.next()), str(upto), count=_AT_ONCE)
            for name, fields in reply:
                begin = _id_of(name)
                yield Entry(begin, fields)
            if len(reply) < _AT_ONCE:
                return

    def trim(self, upto: StreamId) -> int:
        """Remove the entries up to and including `upto`, and return how many."""
        removed: Any = self._client.xtrim(self._key, minid=str(upto.next()), approximate=False)
        return int(removed)


def _id_of(name: bytes) -> StreamId:
    ms, _, seq = name.decode().partition("-")
    return StreamId(int(ms), int(seq))
