"""User states in Redis, shared by all replicas."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from redis.asyncio import Redis

from app.artifact.redis_keys import Keys
from app.artifact.stream_records import FIELD
from app.artifact.user_records import EVENT, dim_of, pack_events, unpack_events, unpack_items, unpack_long_vectors
from app.stores.bundled import BundledStates
from app.stores.eviction import EvictionWatch
from app.stores.redis_gate import RedisGate, is_missing_script
from app.stores.scripts import script
from app.stores.state import Counts, Exclude, FetchResult, NewEvent, StateRequest, StoredUser, UserState

_WORD: Final = 8
_PROBE_LIVES_S: Final = 60

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Retention:
    """How much is kept, and how long."""

    events: int = 100  # recent events a user
    user_s: int = 365 * 86_400  # seconds after the last event; 0 for ever
    event_ids: int = 1_024  # a user's newest, for telling duplicates
    event_id_s: int = 7 * 86_400
    stream_warning: int = 10_000_000  # events that wait to be collected
    impressions: int = 1_000_000  # that wait to be collected; more are dropped


class _Script:
    def __init__(self, name: str) -> None:
        self.source = script(name)
        self.digest = hashlib.sha1(self.source, usedforsecurity=False).hexdigest()


_APPEND: Final = _Script("append")
_MERGE: Final = _Script("merge")
_ERASE: Final = _Script("erase")


class RedisUserStore:
    """`UserStore` on a Redis server.

    Args:
        gate: exchanges with the server.
        keys: names its keys.
        retention: how much is kept, and how long.
    """

    name = "redis"

    def __init__(self, gate: RedisGate, keys: Keys, retention: Retention = Retention()) -> None:
        self._gate = gate
        self._keys = keys
        self._retention = retention
        self._durable = False
        self._erased: set[int] = set()
        self._erasures_there = 0  # in the store, as of the last look
        self._impressions = 0  # in the stream, as of the last look
        self._full = False
        self.waiting_events = 0  # in the stream, as of the last look
        gate.on_probe(self._probe)
        self._eviction = EvictionWatch(gate)

    @property
    def durable(self) -> bool:
        """Whether the server writes an append-only file without error, and keeps what it holds, when last asked."""
        return self._durable and not self._eviction.drops_events

    @property
    def warnings(self) -> list[str]:
        """What may go of what is stored."""
        return [] if self._eviction.warning is None else [self._eviction.warning]

    @property
    def lagging(self) -> bool:
        """Whether the server refuses writes at present."""
        return self._gate.lagging or self._gate.is_open

    async def start(self) -> None:
        """Begin to watch the connection."""
        await self._gate.start()

    async def close(self) -> None:
        """Close the connections."""
        await self._gate.close()

    def seed(self, version: str, states: BundledStates) -> None:
        """Take nothing: `aisle-offline publish` seeds this store."""

    async def fetch(self, version: str, requests: Sequence[StateRequest]) -> FetchResult:
        """The states, by one MGET; not whole where `version` was never published here, or the store flushed since.

        Raises:
            StoreUnavailable: it cannot be read.
        """
        keys = self._keys
        names = [keys.marker(version)]
        for request in requests:
            user_hash = request.user_hash
            names += (keys.long_vector(version, user_hash), keys.events(user_hash))
            if request.exclude is not Exclude.NONE:
                names.append(keys.seen(user_hash) if request.exclude is Exclude.SEEN else keys.purchased(user_hash))
        marker, *values = await self._gate.read(lambda client: client.mget(names))
        return FetchResult(_unpack_states(requests, values), is_whole=marker is not None)

    async def append(self, events: Sequence[NewEvent]) -> list[bool]:
        """Store events, those of one user in one step.

        Raises:
            StoreUnavailable: at least one could not be stored; sent again, those that were are duplicates.
        """
        by_user: dict[int, list[int]] = {}
        for index, event in enumerate(events):
            by_user.setdefault(event.user_hash, []).append(index)
        calls = [
            self._append_call(user_hash, [events[index] for index in indices]) for user_hash, indices in by_user.items()
        ]
        results = await self._run(_APPEND, calls)
        stored = [False] * len(events)
        for indices, flags in zip(by_user.values(), results, strict=True):
            for index, flag in zip(indices, flags, strict=True):
                stored[index] = bool(flag)
        return stored

    async def merge(self, visitor_hash: int, user_hash: int, record: bytes) -> Counts:
        """Move all that is known of a visitor to a user.

        Raises:
            StoreUnavailable: it may have been done when there was no answer.
        """
        names = [*self._of_user(user_hash), *self._of_user(visitor_hash), self._keys.event_stream]
        names += self._vectors(await self._versions(), visitor_hash)
        retention = (self._retention.events, self._retention.user_s)
        (moved,) = await self._run(_MERGE, [[len(names), *names, *retention, record]])
        return Counts(*moved)

    async def stored(self, user_hash: int) -> StoredUser | None:
        """All that is stored of a user.

        Raises:
            StoreUnavailable: it cannot be read.
        """
        events, seen, purchased = await self._gate.read(lambda client: client.mget(self._of_user(user_hash)))
        versions = await self._versions()
        vectors = await self._gate.read(lambda client: client.mget(self._vectors(versions, user_hash) or [b"-"]))
        holders = [version for version, value in zip(versions, vectors, strict=False) if value is not None]
        if events is None and seen is None and purchased is None and not holders:
            return None
        items, types, times = unpack_events(events or b"")
        return StoredUser(items, types, times, unpack_items(seen or b""), unpack_items(purchased or b""), holders)

    async def erase(self, user_hash: int, time: float, record: bytes) -> Counts:
        """Erase a user: events, items and vectors of every version.

        Raises:
            StoreUnavailable: it may have been done when there was no answer.
        """
        keys = self._keys
        names = [keys.event_stream, keys.erased, *self._of_user(user_hash), keys.event_ids(user_hash)]
        names += self._vectors(await self._versions(), user_hash)
        call = [len(names), *names, user_hash.to_bytes(_WORD, "little"), repr(time), record]
        (removed,) = await self._run(_ERASE, [call])
        self._erased.add(user_hash)
        return Counts(*removed)

    def is_erased(self, user_hash: int) -> bool:
        """Whether a user was erased, as far as this process knows."""
        return user_hash in self._erased

    async def log_impressions(self, records: Sequence[bytes]) -> int:
        """Append to the stream, unless it is full.

        Raises:
            StoreUnavailable: it is not known how many were taken.
        """
        stream = self._keys.impression_stream
        if self._impressions + len(records) > self._retention.impressions:
            self._impressions = await self._gate.read(lambda client: client.xlen(stream))
        room = max(0, self._retention.impressions - self._impressions)
        self._warn_full(full=room < len(records))
        fitting = records[:room]
        if not fitting:
            return 0

        async def add(client: Redis) -> list[Any]:
            async with client.pipeline(transaction=False) as pipe:
                for record in fitting:
                    pipe.xadd(stream, {FIELD: record})
                results: list[Any] = await pipe.execute()
                return results

        await self._gate.write(add)
        self._impressions += len(fitting)
        return len(fitting)

    def _warn_full(self, *, full: bool) -> None:
        if full and not self._full:
            log.warning("the impression stream is full: run `aisle-offline collect`", extra={"cap": self._impressions})
        self._full = full

    def _of_user(self, user_hash: int) -> list[bytes]:
        return [self._keys.events(user_hash), self._keys.seen(user_hash), self._keys.purchased(user_hash)]

    def _vectors(self, versions: Sequence[str], user_hash: int) -> list[bytes]:
        return [self._keys.long_vector(version, user_hash) for version in versions]

    async def _versions(self) -> list[str]:
        names = await self._gate.read(lambda client: client.hkeys(self._keys.models))
        return sorted(name.decode() for name in names)

    def _append_call(self, user_hash: int, events: Sequence[NewEvent]) -> list[Any]:
        keys, retention = self._keys, self._retention
        names = [*self._of_user(user_hash), keys.event_ids(user_hash), keys.event_stream]
        call: list[Any] = [
            len(names),
            *names,
            retention.events,
            retention.user_s,
            retention.event_ids,
            retention.event_id_s,
        ]
        records = pack_events(
            np.array([event.item_hash for event in events], dtype=np.uint64),
            np.array([event.behaviour for event in events], dtype=np.uint8),
            np.array([event.time for event in events]),
        )
        for event, record in zip(events, records, strict=True):
            call += (event.event_hash.to_bytes(_WORD, "little"), record.tobytes(), event.record)
        return call

    async def _run(self, lua: _Script, calls: Sequence[list[Any]]) -> list[Any]:
        """The result of a script for each call, in one exchange where Redis knows the script."""

        async def evaluate(client: Redis) -> list[Any]:
            results = await _evaluate(client, lua, calls)
            missing = [index for index, result in enumerate(results) if is_missing_script(result)]
            if missing:
                await client.script_load(lua.source)
                again = await _evaluate(client, lua, [calls[index] for index in missing])
                for index, result in zip(missing, again, strict=True):
                    results[index] = result
            for result in results:
                if isinstance(result, Exception):
                    raise result
            return results

        results: list[Any] = await self._gate.write(evaluate)
        return results

    async def _probe(self, client: Redis) -> None:
        """Read the state of the server; a write shows whether it takes any."""
        keys = self._keys
        async with client.pipeline(transaction=False) as pipe:
            pipe.info("persistence")
            pipe.xlen(keys.event_stream)
            pipe.hlen(keys.erased)
            pipe.set(keys.probe, b"", ex=_PROBE_LIVES_S)
            persistence, waiting, erased, written = await pipe.execute(raise_on_error=False)
        self._durable = isinstance(persistence, dict) and bool(
            persistence.get("aof_enabled") and persistence.get("aof_last_write_status") == "ok"
        )
        if isinstance(written, Exception):
            raise written
        self._watch_stream(int(waiting))
        if int(erased) != self._erasures_there:
            names: list[Any] = await client.hkeys(keys.erased)
            # Those of a store that was flushed stay known: the bundle must not bring them back.
            self._erased |= {int.from_bytes(name, "little") for name in names}
            self._erasures_there = len(names)

    def _watch_stream(self, waiting: int) -> None:
        cap = self._retention.stream_warning
        if waiting >= cap > self.waiting_events:
            log.warning("events wait to be collected: run `aisle-offline collect`", extra={"waiting": waiting})
        self.waiting_events = waiting


async def _evaluate(client: Redis, lua: _Script, calls: Sequence[list[Any]]) -> list[Any]:
    async with client.pipeline(transaction=False) as pipe:
        for call in calls:
            pipe.evalsha(lua.digest, *call)
        results: list[Any] = await pipe.execute(raise_on_error=False)
        return results


def _unpack_states(requests: Sequence[StateRequest], values: Sequence[bytes | None]) -> list[UserState | None]:
    """The states in the values of the keys of `fetch`, all events and all vectors unpacked together."""
    parts: list[tuple[bytes | None, bytes | None, bytes | None]] = []
    offset = 0
    for request in requests:
        excludes = request.exclude is not Exclude.NONE
        parts.append((values[offset], values[offset + 1], values[offset + 2] if excludes else None))
        offset += 3 if excludes else 2
    packed = [vector for vector, _, _ in parts if vector is not None]
    vectors, weights = unpack_long_vectors(packed, dim_of(packed[0])) if packed else (None, None)
    items, types, times = unpack_events(b"".join(events or b"" for _, events, _ in parts))
    states: list[UserState | None] = []
    row = start = 0
    for request, (vector, events, excluded) in zip(requests, parts, strict=True):
        if vector is None and events is None and excluded is None:
            states.append(None)
            continue
        end = start + len(events or b"") // EVENT.itemsize
        own, weight = (None, 0.0)
        if vector is not None and vectors is not None and weights is not None:
            own, weight = vectors[row], float(weights[row])
            row += 1
        excluded_items = None if request.exclude is Exclude.NONE else unpack_items(excluded or b"")
        states.append(UserState(own, weight, items[start:end], types[start:end], times[start:end], excluded_items))
        start = end
    return states
