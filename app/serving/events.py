"""Event intake: from an event as the caller tells it to what the store keeps of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import uuid4

from app.artifact.behaviours import BEHAVIOUR_NAMES
from app.artifact.hashing import stable_hash
from app.artifact.stream_records import EventRecord
from app.serving.attribution import OnlineTracker
from app.serving.cooperative import Unbroken, in_turns
from app.stores.protocol import UserStore
from app.stores.state import NewEvent


@dataclass(frozen=True, slots=True)
class EventCall:
    """An event that a caller tells. It has a user or a visitor; with both it is the user's."""

    behaviour: int
    item_id: str
    user_id: str | None = None
    visitor_id: str | None = None
    event_id: str | None = None
    session_id: str | None = None
    query: str | None = None
    request_id: str | None = None  # of the answer that showed the item
    position: int | None = None  # of the item in that answer, 1 is the first
    quantity: float | None = None
    price: float | None = None
    currency: str | None = None
    time: float | None = None  # unix seconds; now when unknown


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of events: false where one was a duplicate."""

    stored: list[bool]


class EventIntake:
    """Stores events, each once.

    Args:
        store: of user states.
        now: tells unix seconds: the time of an event that has none.
        online: told of what was stored.
    """

    def __init__(self, store: UserStore, now: Callable[[], float], online: OnlineTracker | None = None) -> None:
        self.now = now
        self._store = store
        self._online = online
        self._unbroken = Unbroken()

    async def accept(self, events: Sequence[EventCall]) -> Accepted:
        """Store events; once begun it is finished, whether the caller waits or not.

        Raises:
            StoreUnavailable: at least one was not stored. Those with an id can be sent again without harm.
        """
        if not events:
            return Accepted([])
        new = await in_turns(partial(_new_event, now=self.now()), events)
        stored = await self._unbroken.run(self._store.append(new))
        if self._online is not None:
            for event, kept, is_stored in zip(events, new, stored, strict=True):
                if is_stored:
                    self._online.happened(event, kept.user_hash, kept.time)
        return Accepted(stored)


def _new_event(event: EventCall, now: float) -> NewEvent:
    record = EventRecord(
        event_id=event.event_id or uuid4().hex,  # so that it is stored once, even if the store's client sends it twice
        type=BEHAVIOUR_NAMES[event.behaviour],
        item_id=event.item_id,
        time=now if event.time is None else event.time,
        user_id=event.user_id,
        visitor_id=event.visitor_id,
        session_id=event.session_id,
        query=event.query,
        request_id=event.request_id,
        position=event.position,
        quantity=event.quantity,
        price=event.price,
        currency=event.currency,
    )
    return NewEvent(
        user_hash=stable_hash(record.subject),
        event_hash=stable_hash(record.event_id),
        item_hash=stable_hash(record.item_id),
        behaviour=event.behaviour,
        time=record.time,
        record=record.model_dump_json(exclude_none=True).encode(),
    )
