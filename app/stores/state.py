"""The records that pass between the service and a store of user states."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class Exclude(IntEnum):
    """Which items of a user's past must not be answered."""

    NONE = 0
    PURCHASED = 1
    SEEN = 2


@dataclass(frozen=True, slots=True)
class StateRequest:
    """Asks for the state of one user, with the items that an answer excludes."""

    user_hash: int
    exclude: Exclude = Exclude.NONE


@dataclass(frozen=True, slots=True)
class UserState:
    """What is known of one user. Events are oldest first; items go by their stable hash, which outlives a bundle."""

    long_vector: NDArray[np.float32] | None  # [dim] weighted sum over the events older than the window, if any
    long_weight: float  # the sum of those weights
    event_items: NDArray[np.uint64]  # [events] stable hashes of item ids
    event_types: NDArray[np.uint8]  # [events] behaviour codes
    event_times: NDArray[np.float64]  # [events] unix seconds, NaN when unknown
    excluded_items: NDArray[np.uint64] | None = None  # [excluded] those of `StateRequest.exclude`


@dataclass(frozen=True, slots=True)
class FetchResult:
    """The states of some users, in the order of the requests."""

    states: list[UserState | None]  # `None` for an unknown user
    is_whole: bool = True  # false where what was published is not there: live events are all that is known
    unread: frozenset[int] = frozenset()  # places of requests whose part of the store cannot be read


@dataclass(frozen=True, slots=True)
class StatesRead:
    """The states that were read for one call when it came."""

    version: str  # that the long vectors are of
    states: list[UserState | None]  # of the people it may be of, the preferred one first
    is_whole: bool  # as of `FetchResult`
    unread: frozenset[int] = frozenset()  # places of `states` that could not be read


def merge_states(bundled: UserState | None, live: UserState | None) -> UserState | None:
    """The bundled state of a user with the live events since: for a store that was never seeded, or was flushed."""
    if bundled is None or live is None:
        return bundled or live
    newest = float(np.nanmax(bundled.event_times, initial=-np.inf))
    is_newer = ~(live.event_times <= newest)
    excluded = [state.excluded_items for state in (bundled, live) if state.excluded_items is not None]
    return UserState(
        bundled.long_vector,
        bundled.long_weight,
        np.concatenate([bundled.event_items, live.event_items[is_newer]]),
        np.concatenate([bundled.event_types, live.event_types[is_newer]]),
        np.concatenate([bundled.event_times, live.event_times[is_newer]]),
        np.concatenate(excluded) if excluded else None,
    )


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to store: its hashes, what user states hold of it, and its stream entry."""

    user_hash: int
    event_hash: int  # of its id: a second one of the same user is a duplicate
    item_hash: int
    behaviour: int
    time: float  # unix seconds
    record: bytes  # its entry in the event stream, `stream_records.EventRecord`
    is_known: bool = True  # whether the catalogue has the item: others are kept as recent events alone


@dataclass(frozen=True, slots=True)
class StoredUser:
    """All that is stored of one user, as `GET /users/{id}` shows it."""

    event_items: NDArray[np.uint64]
    event_types: NDArray[np.uint8]
    event_times: NDArray[np.float64]
    seen: NDArray[np.uint64]
    purchased: NDArray[np.uint64]
    long_vector_versions: list[str]  # versions that hold a long vector of this user


@dataclass(frozen=True, slots=True)
class Counts:
    """How much of a user was moved or removed."""

    events: int
    seen: int
    purchased: int
    long_vectors: int = 0
