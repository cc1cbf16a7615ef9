"""What people do with new items, told to all replicas: popularity and co-occurrence of what no bundle has counted yet.

It is told a moment after an event was stored, and counted a moment later; what is lost on the way is counted by the
next bundle all the same.
"""

import asyncio
import logging
import struct
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

import numpy as np

from app.artifact.behaviours import BEHAVIOURS
from app.background import BackgroundTask
from app.engine.live.activity import NewItemEvent
from app.errors import StoreUnavailable
from app.serving.live_catalogue import LiveCatalogue
from app.serving.service import RecommendService
from app.stores.protocol import UserStore
from app.stores.state import NewEvent, StateRequest, UserState
from app.telemetry.metrics import Metrics

EVERY_S: Final = 2.0
"""Seconds between two looks at what was told."""
NEAR: Final = 10
"""Items of a person before an event, the newest, that occur together with its item."""
_READ_AT_ONCE: Final = 5_000
_MOST_PEOPLE: Final = 50_000  # whose newest items include new ones
_HEAD: Final = struct.Struct("<QBQ")  # item, behaviour, person; then the items before, eight bytes each
_WORD: Final = 8

log = logging.getLogger(__name__)


class ActivityFeed:
    """Tells and counts events of new items.

    Args:
        recommender: serves the release.
        live: whose views count.
        store: of user states, where people's items before are.
        metrics: counts turns that failed.
    """

    def __init__(self, recommender: RecommendService, live: LiveCatalogue, store: UserStore, metrics: Metrics) -> None:
        self._recommender = recommender
        self._live = live
        self._store = store
        self._people: OrderedDict[int, None] = OrderedDict()  # who had to do with new items last
        self._telling: set[asyncio.Task[None]] = set()  # the loop itself holds tasks only weakly
        self._after = ""
        self._version = ""
        self._task = BackgroundTask("activity", self._take_turn, EVERY_S, metrics.count_background_failure)

    async def start(self) -> None:
        """Begin to count."""
        self._task.start()

    async def close(self) -> None:
        """Stop counting; what is being told ends first."""
        await asyncio.gather(*self._telling, return_exceptions=True)
        await self._task.close()

    def note(self, events: Sequence[NewEvent]) -> None:
        """Tell of events that were stored, as far as new items have to do with them, without anybody waiting."""
        release = self._recommender.release
        if release.base is None:
            return
        hashes = np.array([event.item_hash for event in events], dtype=np.uint64)
        is_new = release.snapshot.items.rows_of_hashes(hashes) >= release.bundle_span
        chosen = [
            event for event, new in zip(events, is_new.tolist(), strict=True) if new or event.user_hash in self._people
        ]
        if chosen:
            task = asyncio.create_task(self._tell(chosen))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    async def _tell(self, events: Sequence[NewEvent]) -> None:
        people = list(dict.fromkeys(event.user_hash for event in events))
        try:
            fetched = await self._store.fetch(
                self._recommender.release.version, [StateRequest(person) for person in people]
            )
            states = dict(zip(people, fetched.states, strict=True))
            await self._live.store.log_activity([_packed(event, states[event.user_hash]) for event in events])
        except StoreUnavailable as error:
            log.debug("events of new items are not counted", extra={"reason": error.message})

    async def _take_turn(self) -> None:
        release = self._recommender.release
        if release.version != self._version:  # another bundle has counted other events: begin anew
            self._version, self._after = release.version, ""
        after, entries = await self._live.store.activity(self._after, _READ_AT_ONCE)
        events = [event for event in map(_unpacked, entries) if event is not None]
        self._remember(events)
        if not events or await self._live.count(events, release.version):
            self._after = after

    def _remember(self, events: Sequence[NewItemEvent]) -> None:
        for event in events:
            self._people[event.person_hash] = None
            self._people.move_to_end(event.person_hash)
        while len(self._people) > _MOST_PEOPLE:
            self._people.popitem(last=False)


def _packed(event: NewEvent, state: UserState | None) -> bytes:
    near = [] if state is None else [item for item in state.event_items.tolist()[::-1] if item != event.item_hash]
    distinct = list(dict.fromkeys(near))[:NEAR]
    head = _HEAD.pack(event.item_hash, event.behaviour, event.user_hash)
    return head + np.array(distinct, dtype="<u8").tobytes()


def _unpacked(entry: bytes) -> NewItemEvent | None:
    """The event of an entry; None for one that is none."""
    if len(entry) < _HEAD.size or entry[_WORD] not in BEHAVIOURS.values():
        return None
    item_hash, behaviour, person_hash = _HEAD.unpack(entry[: _HEAD.size])
    whole = len(entry) - (len(entry) - _HEAD.size) % _WORD
    near = np.frombuffer(entry[_HEAD.size : whole], dtype="<u8").tolist()
    return NewItemEvent(item_hash, behaviour, person_hash, tuple(near))
