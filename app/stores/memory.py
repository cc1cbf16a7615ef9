"""The store inside the process: the states of the bundle and the events since; gone with the process."""

import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from app.artifact.behaviours import PURCHASE
from app.artifact.user_records import BEHAVIOUR_MASK, pack_events, pack_items, unpack_events, unpack_items
from app.stores.bundled import BundledStates
from app.stores.damage import DamageLog
from app.stores.record_lists import WIDTH, WORD, among, insert, interleave, union
from app.stores.state import Counts, Exclude, FetchResult, NewEvent, StateRequest, StoredUser, UserState
from app.stores.state_values import excluded_items, stored_user

VERSIONS_KEPT = 2  # the one that is served, and the one before for a rollback


@dataclass
class _Live:
    """The records of a user with events since the bundle was made."""

    events: bytes = b""
    seen: bytes = b""
    purchased: bytes = b""
    event_ids: bytes = b""


class MemoryUserStore:
    """`UserStore` inside one process; nothing is durable.

    Args:
        keep_events: recent events a user.
        keep_event_ids: a user's newest, for telling duplicates.
        keep_items: a user's newest items seen, and as many purchased.
        erased: unix seconds of earlier erasures, by hash: what happened before them is not stored.
        max_users: users with live events that are kept; those idle longest go first.
    """

    name = "memory"
    durable = False
    lagging = False
    waiting_events = 0
    warnings: Sequence[str] = ()
    knows_erasures = True  # those of this process; a release is without those in the list beside its bundle
    erasures: Mapping[int, float] = {}

    def __init__(
        self,
        keep_events: int = 100,
        keep_event_ids: int = 1_024,
        max_users: int = 200_000,
        keep_items: int = 10_000,
        erased: Mapping[int, float] = {},
    ) -> None:
        self.damage = DamageLog()  # of nothing
        self._keep_events = keep_events
        self._keep_event_ids = keep_event_ids
        self._keep_items = keep_items
        self._max_users = max_users
        self._bundled: OrderedDict[str, BundledStates] = OrderedDict()
        self._live: OrderedDict[int, _Live] = OrderedDict()
        self._erased: set[int] = set()
        self._erased_at = dict(erased)  # unix seconds

    def lags_for(self, person_hash: int) -> bool:
        """Never: the process takes every write."""
        del person_hash
        return False

    async def start(self) -> None:
        """There is no connection to watch."""

    async def close(self) -> None:
        """There is no connection to close."""

    def seed(self, version: str, states: BundledStates) -> None:
        """Take the states of a version; live events are kept, and merged with what the bundle knows of their users."""
        self._bundled[version] = states
        self._bundled.move_to_end(version)
        while len(self._bundled) > VERSIONS_KEPT:
            self._bundled.popitem(last=False)
        for user_hash, live in self._live.items():
            if user_hash not in self._erased:
                own = self._of_bundle(user_hash)
                live.events = self._trim(interleave(own.events, live.events)[0])
                live.seen = self._cut(union(own.seen, live.seen)[0])  # what the bundle knows is older
                live.purchased = self._cut(union(own.purchased, live.purchased)[0])

    async def fetch(self, version: str, requests: Sequence[StateRequest]) -> FetchResult:
        """The state of each user, in their order."""
        bundled = self._bundled[version].fetch(requests) if version in self._bundled else [None] * len(requests)
        return FetchResult([self._state(request, state) for request, state in zip(requests, bundled, strict=True)])

    async def append(self, events: Sequence[NewEvent]) -> list[bool]:
        """Store events; false where the user has one of that id already, or was erased after it happened."""
        records = pack_events(
            np.array([event.item_hash for event in events], dtype=np.uint64),
            np.array([event.behaviour for event in events], dtype=np.uint8),
            np.array([event.time for event in events]),
        )
        by_user: dict[int, list[int]] = {}
        for index, event in enumerate(events):
            if event.time >= self._erased_at.get(event.user_hash, -math.inf):
                by_user.setdefault(event.user_hash, []).append(index)
        stored = [False] * len(events)
        for user_hash, indices in by_user.items():
            events_of_user = [(events[index], records[index].tobytes()) for index in indices]
            for index, is_stored in zip(indices, self._append(user_hash, events_of_user), strict=True):
                stored[index] = is_stored
        return stored

    async def merge(self, visitor_hash: int, user_hash: int, record: bytes) -> Counts:  # noqa: ARG002 - no stream here
        """Move all that is known of a visitor to a user."""
        visitor = self._live.pop(visitor_hash, None) or self._of_bundle(visitor_hash)
        self._erased.add(visitor_hash)  # what the bundle says of the visitor is the user's now
        if not visitor.seen and not visitor.events:
            return Counts(0, 0, 0)
        live = self._touch(user_hash)
        events, moved = interleave(live.events, visitor.events)
        live.events = self._trim(events)
        seen_items, seen = union(live.seen, visitor.seen)
        purchased_items, purchased = union(live.purchased, visitor.purchased)
        live.seen, live.purchased = self._cut(seen_items), self._cut(purchased_items)
        return Counts(moved, seen, purchased)

    async def stored(self, user_hash: int) -> StoredUser | None:
        """All that is stored of a user, `None` when that is nothing."""
        own = self._live.get(user_hash) or self._of_bundle(user_hash)
        versions = self._versions_with(user_hash)
        if not own.seen and not own.events and not versions:
            return None
        return stored_user(own.events, own.seen, own.purchased, versions)

    async def erase(self, user_hash: int, time: float, record: bytes) -> Counts:  # noqa: ARG002 - no stream here
        """Erase a user: live events now, and bundled states whenever they would be read."""
        own = self._live.pop(user_hash, None) or self._of_bundle(user_hash)
        vectors = len(self._versions_with(user_hash))
        self._erased.add(user_hash)
        self._erased_at[user_hash] = max(time, self._erased_at.get(user_hash, -math.inf))
        return Counts(len(own.events) // WIDTH, len(own.seen) // WORD, len(own.purchased) // WORD, vectors)

    def is_erased(self, user_hash: int) -> bool:
        """Whether a user was erased."""
        return user_hash in self._erased

    async def log_impressions(self, records: Sequence[bytes]) -> int:  # noqa: ARG002 - nobody could collect them
        """Take none: there is no stream that would outlive the process."""
        return 0

    def _append(self, user_hash: int, events_of_user: Sequence[tuple[NewEvent, bytes]]) -> list[bool]:
        """Store events of one user; each set is read once."""
        live = self._touch(user_hash)
        ids = [event.event_hash.to_bytes(WORD, "little") for event, _ in events_of_user]
        known = among(live.event_ids, ids)
        seen: list[bytes] = []
        purchased: list[bytes] = []
        stored: list[bool] = []
        fresh: list[bytes] = []
        for (event, record), event_id in zip(events_of_user, ids, strict=True):
            stored.append(event_id not in known)
            if not stored[-1]:
                continue
            known.add(event_id)
            fresh.append(event_id)
            live.events = self._trim(insert(live.events, record))
            if event.is_known:
                seen.append(record[:WORD])
                if record[-1] & BEHAVIOUR_MASK == PURCHASE:
                    purchased.append(record[:WORD])
        live.event_ids = (live.event_ids + b"".join(fresh))[-self._keep_event_ids * WORD :]
        live.seen, live.purchased = self._with(live.seen, seen), self._with(live.purchased, purchased)
        return stored

    def _with(self, items: bytes, more: Sequence[bytes]) -> bytes:
        """An item set with further items, each once."""
        known = among(items, more)
        return self._cut(items + b"".join(word for word in dict.fromkeys(more) if word not in known))

    def _cut(self, items: bytes) -> bytes:
        return items[-self._keep_items * WORD :]

    def _touch(self, user_hash: int) -> _Live:
        """The live records of a user, begun with what the bundle knows; this user is the last to be dropped."""
        live = self._live.get(user_hash)
        if live is None:
            live = self._live[user_hash] = self._of_bundle(user_hash)
            if len(self._live) > self._max_users:
                self._live.popitem(last=False)
        self._live.move_to_end(user_hash)
        return live

    def _of_bundle(self, user_hash: int) -> _Live:
        """The records of a user in the newest version."""
        if not self._bundled or user_hash in self._erased:
            return _Live()
        newest = next(reversed(self._bundled.values()))
        user_row = newest.states.find(user_hash)
        if user_row < 0:
            return _Live()
        (state,) = newest.fetch([StateRequest(user_hash, Exclude.SEEN)])
        if state is None or state.excluded_items is None:
            return _Live()
        return _Live(
            events=self._trim(pack_events(state.event_items, state.event_types, state.event_times).tobytes()),
            seen=self._cut(pack_items(state.excluded_items)),
            purchased=self._cut(pack_items(newest.excluded_items_of(user_row, Exclude.PURCHASED))),
        )

    def _versions_with(self, user_hash: int) -> list[str]:
        if user_hash in self._erased:
            return []
        return sorted(
            version
            for version, states in self._bundled.items()
            if (user_row := states.states.find(user_hash)) >= 0 and states.states.long_weights[user_row] > 0
        )

    def _state(self, request: StateRequest, bundled: UserState | None) -> UserState | None:
        if request.user_hash in self._erased:
            bundled = None
        live = self._live.get(request.user_hash)
        if live is None:
            return bundled
        items, types, times = unpack_events(live.events)
        excluded = None
        if request.exclude is not Exclude.NONE:
            kept = unpack_items(live.purchased if request.exclude is Exclude.PURCHASED else live.seen)
            excluded = excluded_items(kept, items, types, request.exclude)
        return UserState(
            None if bundled is None else bundled.long_vector,
            0.0 if bundled is None else bundled.long_weight,
            items,
            types,
            times,
            excluded,
        )

    def _trim(self, events: bytes) -> bytes:
        return events[-self._keep_events * WIDTH :]
