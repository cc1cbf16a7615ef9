"""From calls and stored states to the arrays that the engine reads."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.artifact.behaviours import PURCHASE, VIEW
from app.artifact.names import PADDING_ROW
from app.engine.catalogue import Items
from app.engine.requests import RequestBatch, pad_rows
from app.serving.call import RecommendCall
from app.stores.state import Exclude, UserState


@dataclass(frozen=True)
class _Events:
    """The events of all calls one after another, oldest first within a call. Row 0: the item is unknown."""

    calls: NDArray[np.int64]  # the index of each event's call
    rows: NDArray[np.int32]
    types: NDArray[np.uint8]
    times: NDArray[np.float64]


def assemble(
    calls: Sequence[RecommendCall], states: Sequence[UserState | None], items: Items, window: int, now: float
) -> RequestBatch:
    """One batch of requests.

    Recent events replace the stored state; items of the context count as viewed now; unknown items are left out; the
    newest `window` events remain. Excluded are items of the context and the item of `similar_to`, which the caller
    has already, and what the call excludes of the stored or the recent events.

    Args:
        calls: `batch` calls.
        states: the state of each call, `None` where there is none.
        items: the item table.
        window: events that the model reads.
        now: unix seconds, NaN without a clock.
    """
    size, dim = len(calls), items.vectors.shape[1]
    contexts = [rows_of(items, call.context_item_ids) for call in calls]
    event_rows = np.full((size, window), PADDING_ROW, dtype=np.int32)
    event_types = np.zeros((size, window), dtype=np.uint8)
    event_times = np.full((size, window), np.nan, dtype=np.float64)
    newest = _newest(_gather(calls, states, contexts, items, now), size, window)
    if newest is not None:
        places, events = newest
        event_rows[events.calls, places] = events.rows
        event_types[events.calls, places] = events.types
        event_times[events.calls, places] = events.times
    long_vector = np.zeros((size, dim), dtype=np.float32)
    long_weight = np.zeros(size, dtype=np.float32)
    for index, state in enumerate(states):
        if state is not None and state.long_vector is not None:
            long_vector[index], long_weight[index] = state.long_vector, state.long_weight
    anchors = np.array([call.similar_to for call in calls], dtype=np.int64)
    has_anchor = anchors != PADDING_ROW
    return RequestBatch(
        now=np.full(size, now, dtype=np.float64),
        event_rows=event_rows,
        event_types=event_types,
        event_times=event_times,
        long_vector=long_vector,
        long_weight=long_weight,
        exclude_rows=_exclude_rows(calls, states, contexts, items),
        given_query=items.vectors_of(anchors) if has_anchor.any() else None,
        given=has_anchor if has_anchor.any() else None,
        objective=np.array([call.objective for call in calls], dtype=np.uint8)
        if any(call.objective for call in calls)
        else None,
    )


def rows_of(items: Items, item_ids: Sequence[str]) -> list[int]:
    """The rows of the ids that are in the catalogue."""
    return [row for row in map(items.row_of, item_ids) if row] if item_ids else []


def unknown_item_ids_of(call: RecommendCall, items: Items) -> list[str]:
    """The items of a call's context that are not in the catalogue, each once, in their order."""
    return list(dict.fromkeys(item_id for item_id in call.context_item_ids if not items.row_of(item_id)))


def exclude_rows_of(
    call: RecommendCall, state: UserState | None, context: Sequence[int], items: Items
) -> NDArray[np.int64]:
    """The rows that must not be answered to one call; an item may be among them more than once."""
    named_rows = [*rows_of(items, call.exclude_item_ids), *context, *([call.similar_to] if call.similar_to else [])]
    if call.exclude is Exclude.NONE:
        return np.array(named_rows, dtype=np.int64)
    if call.recent_events is not None:
        history = call.recent_events
        past = [
            item_id
            for item_id, behaviour in zip(history.item_ids, history.types, strict=True)
            if call.exclude is Exclude.SEEN or behaviour == PURCHASE
        ]
        return np.array([*named_rows, *rows_of(items, past)], dtype=np.int64)
    if state is None or state.excluded_items is None:
        return np.array(named_rows, dtype=np.int64)
    rows = items.rows_of_hashes(state.excluded_items)
    return np.concatenate([np.array(named_rows, dtype=np.int64), rows[rows != PADDING_ROW]])


def _exclude_rows(
    calls: Sequence[RecommendCall],
    states: Sequence[UserState | None],
    contexts: Sequence[list[int]],
    items: Items,
) -> NDArray[np.int64]:
    """`[batch, excluded]`, padded with row 0."""
    lists = [
        exclude_rows_of(call, state, context, items)
        for call, state, context in zip(calls, states, contexts, strict=True)
    ]
    if not any(len(rows) for rows in lists):
        return np.zeros((len(calls), 0), dtype=np.int64)
    return pad_rows(lists)


def _gather(
    calls: Sequence[RecommendCall],
    states: Sequence[UserState | None],
    contexts: Sequence[list[int]],
    items: Items,
    now: float,
) -> _Events | None:
    rows: list[NDArray[np.int32]] = []
    types: list[NDArray[np.uint8]] = []
    times: list[NDArray[np.float64]] = []
    counts = np.zeros(len(calls), dtype=np.int64)
    stored = _stored_rows(states, items)
    for index, (call, state, context) in enumerate(zip(calls, states, contexts, strict=True)):
        if call.recent_events is not None:
            history = call.recent_events
            rows.append(np.array([items.row_of(item_id) for item_id in history.item_ids], dtype=np.int32))
            types.append(np.array(history.types, dtype=np.uint8))
            times.append(np.array(history.times, dtype=np.float64))
            counts[index] += len(history.item_ids)
        elif state is not None:
            rows.append(stored[index])
            types.append(state.event_types)
            times.append(state.event_times)
            counts[index] += len(state.event_types)
        if context:
            rows.append(np.array(context, dtype=np.int32))
            types.append(np.full(len(context), VIEW, dtype=np.uint8))
            times.append(np.full(len(context), now))
            counts[index] += len(context)
    if not rows:
        return None
    indices = np.repeat(np.arange(len(calls)), counts)
    return _Events(indices, np.concatenate(rows), np.concatenate(types), np.concatenate(times))


def _stored_rows(states: Sequence[UserState | None], items: Items) -> list[NDArray[np.int32]]:
    """The item rows of each state's events, with one look-up for all."""
    hashes = [np.zeros(0, dtype=np.uint64) if state is None else state.event_items for state in states]
    ends = np.cumsum([len(of_user) for of_user in hashes])
    return np.split(items.rows_of_hashes(np.concatenate(hashes)), ends[:-1])


def _newest(events: _Events | None, size: int, window: int) -> tuple[NDArray[np.int64], _Events] | None:
    """Events of known items that fit into their window, and the place of each in it (the newest rightmost)."""
    if events is None:
        return None
    known = events.rows != PADDING_ROW
    indices = events.calls[known]
    ends = np.cumsum(np.bincount(indices, minlength=size))
    places = window - (ends[indices] - np.arange(len(indices)))
    fits = places >= 0
    return places[fits], _Events(
        indices[fits], events.rows[known][fits], events.types[known][fits], events.times[known][fits]
    )
