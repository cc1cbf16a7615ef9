"""What a store looks at twice a second: whether Redis takes writes, how much waits, who was erased elsewhere."""

import logging
from collections.abc import Sequence
from typing import Any, Final

import redis
from redis.asyncio import Redis
from redis.exceptions import ClusterDownError

from app.artifact.people import PARTITIONS
from app.artifact.redis_keys import LAYOUT, Keys
from app.stores.redis_gate import RedisGate, is_wrong_type
from app.stores.redis_old_layout import seconds_of

AT_ONCE: Final = 32
"""Partitions that one look covers: eight looks, four seconds, cover all of them."""
_PROBE_LIVES_S: Final = 60
_HASH_BYTES: Final = 8
_GONE: Final = (redis.ConnectionError, redis.TimeoutError, ClusterDownError)  # of one node, of several

log = logging.getLogger(__name__)


class RedisWatch:
    """What was seen of a Redis server by the looks so far.

    Args:
        gate: calls `look` again and again.
        keys: names the keys.
        stream_warning: waiting events past which a warning is logged.
    """

    def __init__(self, gate: RedisGate, keys: Keys, stream_warning: int) -> None:
        self._gate = gate
        self._keys = keys
        self._stream_warning = stream_warning
        self._turn: int | None = None  # the partition that the next look begins with; None before the first look
        self._waiting = [0] * (PARTITIONS + 1)  # by partition, then those of the layout before
        self._erasures = [0] * (PARTITIONS + 1)
        self.erased: set[int] = set()  # hashes of people
        self.erasures: dict[int, float] = {}  # unix seconds by hash; another object when one came
        self.knows_erasures = False  # a look has read all of them
        self.durable = False  # the server writes an append-only file, without error when last asked
        self.waiting_events = 0
        # State of the layout before may be there: of one server it is not known before the first look.
        self.migration_pending = gate.has_older_layouts
        self.erased_before = False  # somebody was erased in the layout before, since this was set to false
        gate.on_probe(self.look)

    async def look(self, client: Redis) -> None:
        """Look at some partitions, at all of them the first time; a write shows whether the server takes any."""
        keys, old = self._keys, self._keys.old
        partitions = self._next_partitions()
        async with client.pipeline(transaction=False) as pipe:
            pipe.info("persistence")
            pipe.set(keys.probe, b"", ex=_PROBE_LIVES_S)
            pipe.get(keys.layout)
            pipe.xlen(old.event_stream)
            pipe.hlen(old.erased)
            for partition in partitions:
                pipe.xlen(keys.event_stream(partition))
                pipe.hlen(keys.erased(partition))
            persistence, written, layout, *lengths = await pipe.execute(raise_on_error=False)
        self.durable = isinstance(persistence, dict) and bool(
            persistence.get("aof_enabled") and persistence.get("aof_last_write_status") == "ok"
        )
        if isinstance(written, redis.ResponseError):
            raise written
        waiting, erasures = self._counts("event_stream", lengths[::2]), self._counts("erased", lengths[1::2])
        self._note_layout(layout)
        places = [PARTITIONS, *partitions]
        for place, number in zip(places, waiting, strict=True):
            self._waiting[place] = self._waiting[place] if number is None else number
        self._watch_stream(sum(self._waiting))
        known = [(place, number) for place, number in zip(places, erasures, strict=True) if number is not None]
        changed = [pair for pair in known if pair[1] != self._erasures[pair[0]]]
        has_learned = await self._learn_erasures(client, changed) if changed else True
        self.knows_erasures |= has_learned and len(known) == PARTITIONS + 1
        self._turn = (partitions[-1] + 1) % PARTITIONS if self.knows_erasures else None

    def _next_partitions(self) -> range:
        return range(PARTITIONS) if self._turn is None else range(self._turn, self._turn + AT_ONCE)

    def _counts(self, kind: str, replies: Sequence[Any]) -> list[int | None]:
        """Each reply as a number, 0 where the key holds something else, None where its node is gone."""
        for reply in replies:
            if isinstance(reply, Exception) and not is_wrong_type(reply) and not isinstance(reply, _GONE):
                raise reply
        self._gate.damage.note(kind, sum(is_wrong_type(reply) for reply in replies))
        return [None if isinstance(reply, _GONE) else 0 if is_wrong_type(reply) else int(reply) for reply in replies]

    def _note_layout(self, layout: Any) -> None:
        if not self._gate.has_older_layouts:
            return
        pending = layout != b"%d" % LAYOUT
        if pending and self._turn is None:
            log.warning(
                "stored state may be in the layout of the Aisle before, and is read in both: once all replicas are "
                "new, run `aisle-offline migrate`; where nothing is stored yet, `aisle-offline publish` is enough"
            )
        self.migration_pending = pending

    def _watch_stream(self, waiting: int) -> None:
        if waiting >= self._stream_warning > self.waiting_events:
            log.warning("events wait to be collected: run `aisle-offline collect`", extra={"waiting": waiting})
        self.waiting_events = waiting

    async def _learn_erasures(self, client: Redis, changed: Sequence[tuple[int, int]]) -> bool:
        """Read the erasures of the partitions whose number of them has changed; whether all could be read."""
        async with client.pipeline(transaction=False) as pipe:
            for place, _ in changed:
                pipe.hgetall(self._keys.old.erased if place == PARTITIONS else self._keys.erased(place))
            replies = await pipe.execute(raise_on_error=False)
        learned = dict(self.erasures)
        for (place, number), times in zip(changed, replies, strict=True):
            if isinstance(times, Exception):
                continue  # looked at again when its turn comes
            for name, time in times.items():
                if len(name) == _HASH_BYTES:
                    learned[int.from_bytes(name, "little")] = seconds_of(time)
            self._erasures[place] = number
            self.erased_before |= place == PARTITIONS
        # Those of a store that was flushed stay known: the bundle must not bring them back.
        self.erased |= set(learned)
        self.erasures = learned
        return not any(isinstance(times, Exception) for times in replies)
