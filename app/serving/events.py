"""Events of shoppers on their way to the store: each stored once, and told to attribution."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final

from app.artifact.hashing import stable_hash
from app.artifact.stream_records import EventRecord
from app.serving.attribution import OnlineTracker
from app.serving.cooperative import ShieldedWrites, cooperative_map
from app.stores.protocol import UserStore
from app.stores.state import NewEvent


class EventService:
    """Stores events.

    Args:
        store: keeps user states and the stream of events.
        now: tells unix seconds.
        online: attributes what was stored to the answers that showed it; `None` attributes nothing.
        known: tells which items, by hash, the catalogue has; `None` takes all for known.
        own_id: tells the item's own id, of an id that may be a variant's; `None` takes each for its item's own.
        note: takes what was stored; `None` tells nobody.
        look: learns of the newest items, where one is not known; by default those that are known are all.
    """

    def __init__(
        self,
        store: UserStore,
        now: Callable[[], float],
        online: OnlineTracker | None = None,
        known: Callable[[Sequence[int]], list[bool]] | None = None,
        own_id: Callable[[str], str] | None = None,
        note: Callable[[Sequence[NewEvent]], None] | None = None,
        look: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        self._look = look
        self._note = note
        self._known = known
        self._own_id = own_id
        self.now: Final = now
        self._store = store
        self._online = online
        self._writes = ShieldedWrites()

    async def accept(self, records: Sequence[EventRecord]) -> list[bool]:
        """Store events; once begun it is finished, whether the caller waits or not.

        Returns:
            For each event, in their order, whether it was stored: false for a duplicate.

        Raises:
            StoreUnavailable: at least one was not stored. Those with an id can be sent again without harm.
        """
        if not records:
            return []
        events = await cooperative_map(_new_event, records)
        if self._known is not None:
            hashes = [event.item_hash for event in events]
            known = self._known(hashes)
            if self._look is not None and not all(known):
                await self._look()
                known = self._known(hashes)
            events = [
                event if is_known else replace(event, is_known=False)
                for event, is_known in zip(events, known, strict=True)
            ]
        stored = await self._writes.run(self._store.append(events))
        if self._note is not None:
            self._note([event for event, is_stored in zip(events, stored, strict=True) if is_stored])
        if self._online is not None:
            for record, event, is_stored in zip(records, events, stored, strict=True):
                if is_stored:
                    own_id = record.item_id if self._own_id is None else self._own_id(record.item_id)
                    self._online.record_event(record, event.user_hash, event.time, own_id)
        return stored


def _new_event(record: EventRecord) -> NewEvent:
    assert record.person is not None  # noqa: S101 - callers refuse an event of nobody
    return NewEvent(
        user_hash=record.person.hash,
        event_hash=stable_hash(record.event_id),
        item_hash=stable_hash(record.item_id),
        behaviour=record.behaviour,
        time=record.time,
        record=record.model_dump_json(exclude_none=True).encode(),
    )
