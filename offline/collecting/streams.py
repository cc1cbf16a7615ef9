"""Read streams of Redis in order, and trim them."""

import heapq
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import redis

from app.stores.redis_gate import is_wrong_type

ALONE = -1
"""The partition of a stream that is not one of many."""
_AT_ONCE = 10_000  # entries in memory, over all streams
_LEAST_AT_ONCE = 100  # entries of one stream


@dataclass(frozen=True, order=True, slots=True)
class StreamId:
    """The id of an entry: milliseconds, a number within the millisecond, and the partition of its stream."""

    ms: int
    seq: int
    partition: int = ALONE

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Parse what `str` and `sortable` return; return None for anything else."""
        reply = re.fullmatch(r"(\d+)-(\d+)(?:-([0-9a-f]{2}))?", text)
        if reply is None:
            return None
        return cls(int(reply[1]), int(reply[2]), ALONE if reply[3] is None else int(reply[3], 16))

    def __str__(self) -> str:
        return f"{self.ms}-{self.seq}{self._suffix}"

    @property
    def sortable(self) -> str:
        """The id padded with zeros, so that texts sort as ids do, and no two streams have the same."""
        return f"{self.ms:015d}-{self.seq:010d}{self._suffix}"

    @property
    def in_stream(self) -> str:
        """The id by which Redis knows the entry."""
        return f"{self.ms}-{self.seq}"

    def next(self) -> "StreamId":
        """Return the smallest larger id of the stream."""
        return StreamId(self.ms, self.seq + 1, self.partition)

    @property
    def _suffix(self) -> str:
        return "" if self.partition == ALONE else f"-{self.partition:02x}"


START = StreamId(0, 0)  # no entry has it


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a stream."""

    id: StreamId
    fields: dict[bytes, bytes]


class Streams:
    """Some streams in Redis, read as one: by the ids of their entries, which are the server's clock.

    Args:
        client: a connection to the store.
        keys: the key of each stream, by partition.
    """

    def __init__(self, client: redis.Redis, keys: Mapping[int, bytes]) -> None:
        self._client = client
        self._keys = keys
        self.damaged: set[bytes] = set()  # keys that hold something else than a stream

    @classmethod
    def alone(cls, client: redis.Redis, key: bytes) -> "Streams":
        """One stream."""
        return cls(client, {ALONE: key})

    def __len__(self) -> int:
        return sum(map(int, self._ask(lambda pipe, key: pipe.xlen(key)).values()))

    def firsts(self, partitions: Iterable[int] | None = None) -> dict[int, StreamId]:
        """Return the id of the oldest entry of each stream that has one."""
        return _ids_of(self._ask(lambda pipe, key: pipe.xrange(key, count=1), partitions))

    def ends(self) -> dict[int, StreamId]:
        """Return the id of the newest entry of each stream that has one, as of one moment for all streams.

        What comes after that moment is in none of them: an entry is never before one that its writer had seen.
        """
        moment = self._now_ms()
        while moment is not None and (now := self._now_ms()) is not None and now <= moment:
            time.sleep(0.0005)  # entries of this millisecond may still come
        upto = "+" if moment is None else str(moment)
        return _ids_of(self._ask(lambda pipe, key: pipe.xrevrange(key, upto, "-", count=1)))

    def between(self, after: Mapping[int, StreamId], upto: Mapping[int, StreamId]) -> Iterator[Entry]:
        """Yield the entries of the streams in `upto`, up to and including that one, behind those in `after`, in order.

        Of each stream some hundred entries at most are in memory.
        """
        count = max(_LEAST_AT_ONCE, _AT_ONCE // max(1, len(upto)))
        streams = (self._of_stream(after.get(place, START), end, count) for place, end in sorted(upto.items()))
        return heapq.merge(*streams, key=lambda entry: entry.id)

    def trim(self, upto: Mapping[int, StreamId]) -> int:
        """Remove the entries of each stream up to and including one, and return how many."""
        with self._client.pipeline(transaction=False) as pipe:
            for place, end in upto.items():
                pipe.xtrim(self._keys[place], minid=end.next().in_stream, approximate=False)
            return sum(pipe.execute())

    def _of_stream(self, after: StreamId, upto: StreamId, count: int) -> Iterator[Entry]:
        key, begin = self._keys[upto.partition], replace(after, partition=upto.partition)
        while begin < upto:
            reply: Any = self._client.xrange(key, begin.next().in_stream, upto.in_stream, count=count)
            for name, fields in reply:
                begin = _id_of(name, upto.partition)
                yield Entry(begin, fields)
            if len(reply) < count:
                return

    def _ask(self, ask: Callable[[Any, bytes], object], partitions: Iterable[int] | None = None) -> dict[int, Any]:
        """The reply of each key, by partition, but for those that hold something else."""
        places = list(self._keys if partitions is None else partitions)
        with self._client.pipeline(transaction=False) as pipe:
            for place in places:
                ask(pipe, self._keys[place])
            replies = pipe.execute(raise_on_error=False)
        replies_by_partition = {}
        for place, reply in zip(places, replies, strict=True):
            if is_wrong_type(reply):
                self.damaged.add(self._keys[place])
            elif isinstance(reply, Exception):
                raise reply
            else:
                replies_by_partition[place] = reply
        return replies_by_partition

    def _now_ms(self) -> int | None:
        """Milliseconds of the server's clock; None where it does not say."""
        info: Any = self._client.info("server")
        microseconds = info.get("server_time_usec")
        return None if microseconds is None else int(microseconds) // 1_000


def _ids_of(replies: Mapping[int, Any]) -> dict[int, StreamId]:
    return {place: _id_of(reply[0][0], place) for place, reply in replies.items() if reply}


def _id_of(name: bytes, partition: int) -> StreamId:
    ms, _, seq = name.decode().partition("-")
    return StreamId(int(ms), int(seq), partition)
