"""User states in Redis, shared by all replicas."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import redis
from redis.asyncio import Redis

from app.artifact.people import partition_of
from app.artifact.redis_keys import Keys
from app.artifact.user_records import pack_event
from app.errors import StoreUnavailable
from app.stores.bundled import BundledStates
from app.stores.eviction import EvictionWatch
from app.stores.redis_gate import RedisGate, is_wrong_type
from app.stores.redis_impressions import ImpressionStream
from app.stores.redis_merge import Kept, RedisMerge
from app.stores.redis_old_layout import OldLayout
from app.stores.redis_scripts import APPEND, ERASE, ScriptCall, run_scripts
from app.stores.redis_watch import RedisWatch
from app.stores.state import Counts, Exclude, FetchResult, NewEvent, StateRequest, StoredUser
from app.stores.state_values import StateValues, names_per_state

_WORD: Final = 8
_DIMS_KEPT: Final = 8  # versions
_NAMES_BEFORE: Final = 2  # the keys of users, in what `fetch` reads: the marker of the version, and one more


@dataclass(frozen=True)
class Retention:
    """How much is kept, and how long."""

    events: int = 100  # recent events a user
    user_s: int = 365 * 86_400  # seconds after the last event; 0 for ever
    items: int = 10_000  # a user's newest items seen, and as many purchased
    event_ids: int = 1_024  # a user's newest, for telling duplicates
    event_id_s: int = 7 * 86_400
    stream_warning: int = 10_000_000  # events that wait to be collected
    impressions: int = 1_000_000  # that wait to be collected; more are dropped
    catalogue_changes: int = 100_000  # the newest; who is behind them reads all documents
    activity: int = 100_000  # the newest entries of what happened with live items


class RedisUserStore:
    """`UserStore` on a Redis server.

    Args:
        gate: exchanges with the server.
        keys: names its keys.
        retention: how much is kept, and how long.
    """

    name = "redis"

    def __init__(self, gate: RedisGate, keys: Keys, retention: Retention = Retention()) -> None:
        self.damage = gate.damage
        self._gate = gate
        self._keys = keys
        self._retention = retention
        self._values = StateValues(gate.damage, retention.events, retention.items)
        self._watch = RedisWatch(gate, keys, retention.stream_warning)
        kept = Kept(retention.events, retention.user_s, retention.items)
        self._merge = RedisMerge(gate, keys, kept)
        self._old = OldLayout(gate, keys, kept, retention.event_ids)
        self._dims: dict[str, int] = {}  # of a version's long vectors
        self._marked: dict[str, bool] = {}  # whether a version was published here, when last seen
        self._impressions = ImpressionStream(gate, keys.impression_stream, retention.impressions)
        gate.on_probe(self._carry_erasures)
        self._knew_erasures = False
        self._eviction = EvictionWatch(gate)

    @property
    def knows_erasures(self) -> bool:
        """Whether a look has read them all, or whoever made this store said that a list has them."""
        return self._knew_erasures or self._watch.knows_erasures

    @knows_erasures.setter
    def knows_erasures(self, knows: bool) -> None:
        self._knew_erasures = knows

    @property
    def erasures(self) -> Mapping[int, float]:
        """The erasures in the store as of the last look, unix seconds by hash; another object when one came."""
        return self._watch.erasures

    @property
    def durable(self) -> bool:
        """Whether the server writes an append-only file without error, and keeps what it holds, when last asked."""
        return self._watch.durable and not self._eviction.drops_events

    @property
    def warnings(self) -> list[str]:
        """What may go of what is stored."""
        return [] if self._eviction.warning is None else [self._eviction.warning]

    @property
    def waiting_events(self) -> int:
        """Events that wait to be collected; of each partition as of the last look at it, seconds ago."""
        return self._watch.waiting_events

    @property
    def lagging(self) -> bool:
        """Whether the server, or a node of the cluster, refuses writes at present."""
        return self._gate.lagging or self._gate.is_open

    def lags_for(self, person_hash: int) -> bool:
        """Whether the server, or the node of the person, refuses writes at present."""
        return self._gate.lags_for(self._keys.events(person_hash))

    async def start(self) -> None:
        """Begin to watch the connection."""
        await self._gate.start()

    async def close(self) -> None:
        """Close the connections."""
        await self._gate.close()

    def seed(self, version: str, states: BundledStates) -> None:
        """Take the dimensions of a version's vectors alone: `aisle-offline publish` seeds this store."""
        self._dims.pop(version, None)
        self._dims[version] = states.states.long_vectors.shape[1]
        while len(self._dims) > _DIMS_KEPT:
            del self._dims[next(iter(self._dims))]
        self._marked = {name: marked for name, marked in self._marked.items() if name in self._dims}

    async def fetch(self, version: str, requests: Sequence[StateRequest]) -> FetchResult:
        """The states, by one MGET; not whole where `version` was never published here, or the store flushed since.

        Raises:
            StoreUnavailable: it cannot be read.
        """
        _, result = await self.fetch_beside(None, version, requests)
        return result

    async def fetch_beside(
        self, name: bytes | None, version: str, requests: Sequence[StateRequest]
    ) -> tuple[bytes | None, FetchResult]:
        """The same, and the value of a further key by the same exchange; none where it has no `name`.

        Raises:
            StoreUnavailable: it cannot be read.
        """
        keys, pending = self._keys, self._watch.migration_pending
        names = [keys.marker(version), name or keys.marker(version)]
        for request in requests:
            user_hash = request.user_hash
            names += (keys.long_vector(version, user_hash), keys.events(user_hash))
            if request.exclude is not Exclude.NONE:
                names.append(keys.seen(user_hash) if request.exclude is Exclude.SEEN else keys.purchased(user_hash))
        if pending:
            names += self._old_names(version, requests)
        (marker, value, *values), unread = await self._gate.read_reachable(names)
        if 1 in unread and name is not None:
            raise StoreUnavailable("the catalogue's part of the store cannot be read now (connection): send it again")
        if 0 not in unread:
            self._marked[version] = marker is not None
        if pending:
            values = self._joined(requests, values)
        states = self._values.states(requests, values, self._dims.get(version))
        places = _places_of(requests, unread) if unread else unread
        return value, FetchResult(states, is_whole=self._marked.get(version, False), unread=places)

    async def append(self, events: Sequence[NewEvent]) -> list[bool]:
        """Store events, those of one user in one step, without what a user did before they were erased.

        Raises:
            StoreUnavailable: at least one could not be stored; sent again, those that were are duplicates.
        """
        by_user: dict[int, list[int]] = {}
        for index, event in enumerate(events):
            by_user.setdefault(event.user_hash, []).append(index)
        if self._watch.migration_pending:
            await self._old.absorb(list(by_user))
        calls = [
            self._append_call(user_hash, [events[index] for index in indices]) for user_hash, indices in by_user.items()
        ]
        stored = [False] * len(events)
        results = await run_scripts(self._gate, calls)
        for (user_hash, indices), (flags, damaged) in zip(by_user.items(), results, strict=True):
            self.damage.note("state", damaged, f"{user_hash:016x}")
            for index, flag in zip(indices, flags, strict=True):
                stored[index] = bool(flag)
        return stored

    async def merge(self, visitor_hash: int, user_hash: int, record: bytes) -> Counts:
        """Move all that is known of a visitor to a user.

        Raises:
            StoreUnavailable: part of it may have been done; sent again it goes on.
        """
        versions = await self._versions()
        if self._watch.migration_pending:
            await self._old.absorb([user_hash])
        return await self._merge.merge(visitor_hash, user_hash, versions, record)

    async def stored(self, user_hash: int) -> StoredUser | None:
        """All that is stored of a user.

        Raises:
            StoreUnavailable: it cannot be read.
        """
        keys, old, pending = self._keys, self._keys.old, self._watch.migration_pending
        versions = await self._versions()
        names = [*self._of_user(user_hash), *(keys.long_vector(version, user_hash) for version in versions)]
        if pending:
            names += [*old.state(user_hash)[:3], *(old.long_vector(version, user_hash) for version in versions)]
        values = await self._gate.read(lambda client: client.mget(names))
        if pending:
            half = len(values) // 2
            kinds = ["events", "items", "items", *("vector" for _ in versions)]
            values = self._values.joined(user_hash, kinds, values[half:], values[:half])
        holders = [version for version, value in zip(versions, values[3:], strict=True) if value is not None]
        return self._values.stored(user_hash, values, holders)

    async def erase(self, user_hash: int, time: float, record: bytes) -> Counts:
        """Erase a user: events, items and vectors of every version.

        Raises:
            StoreUnavailable: it may have been done when there was no answer.
        """
        keys, partition, versions = self._keys, partition_of(user_hash), await self._versions()
        if self._watch.migration_pending:
            await self._old.erase(user_hash, time)
            await self._old.absorb([user_hash], versions, removes=True)
        names = [keys.event_stream(partition), keys.erased(partition), *self._of_user(user_hash)]
        names += [keys.event_ids(user_hash), *(keys.long_vector(version, user_hash) for version in versions)]
        call = ScriptCall(ERASE, names, [user_hash.to_bytes(_WORD, "little"), repr(time), record])
        ((*removed, damaged),) = await run_scripts(self._gate, [call])
        self.damage.note("state", damaged, f"{user_hash:016x}")
        self._watch.erased.add(user_hash)
        return Counts(*removed)

    def is_erased(self, user_hash: int) -> bool:
        """Whether a user was erased, as far as this process knows."""
        return user_hash in self._watch.erased

    async def log_impressions(self, records: Sequence[bytes]) -> int:
        """Append to the stream, unless it is full.

        Raises:
            StoreUnavailable: it is not known how many were taken.
        """
        return await self._impressions.log(records)

    def _of_user(self, user_hash: int) -> list[bytes]:
        return [self._keys.events(user_hash), self._keys.seen(user_hash), self._keys.purchased(user_hash)]

    def _old_names(self, version: str, requests: Sequence[StateRequest]) -> list[bytes]:
        """The keys of `fetch` in the layout before, in the same order."""
        names = []
        for request in requests:
            events, seen, purchased, _ = self._keys.old.state(request.user_hash)
            names += [self._keys.old.long_vector(version, request.user_hash), events]
            if request.exclude is not Exclude.NONE:
                names.append(seen if request.exclude is Exclude.SEEN else purchased)
        return names

    def _joined(self, requests: Sequence[StateRequest], values: Sequence[bytes | None]) -> list[bytes | None]:
        """The values of `fetch` with those of the layout before, which stand behind them."""
        half, offset = len(values) // 2, 0
        joined: list[bytes | None] = []
        for request in requests:
            kinds = ("vector", "events", "items")[: 2 if request.exclude is Exclude.NONE else 3]
            part, old_part = slice(offset, offset + len(kinds)), slice(half + offset, half + offset + len(kinds))
            joined += self._values.joined(request.user_hash, kinds, values[old_part], values[part])
            offset += len(kinds)
        return joined

    async def _versions(self) -> list[str]:
        versions: list[str] = await self._gate.read(self._read_versions)
        return versions

    async def _read_versions(self, client: Redis) -> list[str]:
        """The versions that may have keys; none where the list of them is damaged."""
        try:
            names: list[Any] = await client.hkeys(self._keys.models)
        except redis.ResponseError as error:
            if not is_wrong_type(error):
                raise
            self.damage.note("models")
            return []
        versions = []
        for name in names:
            try:
                versions.append(name.decode())
            except UnicodeDecodeError:
                self.damage.note("models")
        return sorted(versions)

    def _append_call(self, user_hash: int, events: Sequence[NewEvent]) -> ScriptCall:
        keys, kept = self._keys, self._retention
        partition = partition_of(user_hash)
        names = [*self._of_user(user_hash), keys.event_ids(user_hash), keys.event_stream(partition)]
        names.append(keys.erased(partition))
        arguments: list[Any] = [kept.events, kept.user_s, kept.event_ids, kept.event_id_s, kept.items]
        arguments.append(user_hash.to_bytes(_WORD, "little"))
        for event in events:
            record = pack_event(event.item_hash, event.behaviour, event.time)
            event_id = event.event_hash.to_bytes(_WORD, "little")
            arguments += (event_id, record, event.record, "1" if event.is_known else "0", repr(float(event.time)))
        return ScriptCall(APPEND, names, arguments)

    async def _carry_erasures(self, client: Redis) -> None:
        if self._watch.migration_pending and self._watch.erased_before:
            await self._old.carry_erasures(client, await self._read_versions(client))
        self._watch.erased_before = False


def _places_of(requests: Sequence[StateRequest], unread: frozenset[int]) -> frozenset[int]:
    """The requests that have a key among those that `fetch` could not read, by their places there."""
    owners = [place for place, request in enumerate(requests) for _ in range(names_per_state(request))]
    return frozenset(owners[(index - _NAMES_BEFORE) % len(owners)] for index in unread if index >= _NAMES_BEFORE)
