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
from app.stores.state import Hidden, UserState


@dataclass(frozen=True)
class _Events:
    """The events of all calls one after another, oldest first within a call. Row 0: the item is unknown."""

    lines: NDArray[np.int64]  # the call of each event
    rows: NDArray[np.int32]
    types: NDArray[np.uint8]
    times: NDArray[np.float64]


def assemble(
    calls: Sequence[RecommendCall], states: Sequence[UserState | None], items: Items, window: int, now: float
) -> RequestBatch:
    """One batch of requests.

    Recent events replace the stored state; items of the context count as viewed now; unknown items are left out; the
    newest `window` events remain. Items of the context are not answered, and neither is the one whose neighbours are
    wanted: the caller has them already; nor what a call wants hidden, of the stored state or of the given events.

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
    events = _newest(_gather(calls, states, contexts, items, now), size, window)
    if events is not None:
        places, kept = events
        event_rows[kept.lines, places] = kept.rows
        event_types[kept.lines, places] = kept.types
        event_times[kept.lines, places] = kept.times
    long_vector = np.zeros((size, dim), dtype=np.float32)
    long_weight = np.zeros(size, dtype=np.float32)
    for line, state in enumerate(states):
        if state is not None and state.long_vector is not None:
            long_vector[line], long_weight[line] = state.long_vector, state.long_weight
    anchors = np.array([call.similar_to for call in calls], dtype=np.int64)
    given = anchors != PADDING_ROW
    return RequestBatch(
        now=np.full(size, now, dtype=np.float64),
        event_rows=event_rows,
        event_types=event_types,
        event_times=event_times,
        long_vector=long_vector,
        long_weight=long_weight,
        exclude_rows=_excluded(calls, states, contexts, items),
        given_query=items.vectors_of(anchors) if given.any() else None,
        given=given if given.any() else None,
        objective=np.array([call.objective for call in calls], dtype=np.uint8)
        if any(call.objective for call in calls)
        else None,
    )


def rows_of(items: Items, item_ids: Sequence[str]) -> list[int]:
    """The rows of those ids that are items."""
    return [row for row in map(items.row_of, item_ids) if row] if item_ids else []


def _excluded(
    calls: Sequence[RecommendCall],
    states: Sequence[UserState | None],
    contexts: Sequence[list[int]],
    items: Items,
) -> NDArray[np.int64]:
    """`[batch, excluded]`, padded with row 0."""
    lists = [
        excluded_rows(call, state, context, items) for call, state, context in zip(calls, states, contexts, strict=True)
    ]
    if not any(len(rows) for rows in lists):
        return np.zeros((len(calls), 0), dtype=np.int64)
    return pad_rows(lists)


def excluded_rows(
    call: RecommendCall, state: UserState | None, context: Sequence[int], items: Items
) -> NDArray[np.int64]:
    """The rows that must not be answered to one call; an item may be among them more than once."""
    named = [*rows_of(items, call.exclude_item_ids), *context, *([call.similar_to] if call.similar_to else [])]
    if call.hidden is Hidden.NONE:
        return np.array(named, dtype=np.int64)
    if call.recent_events is not None:
        given = call.recent_events
        past = [
            item_id
            for item_id, behaviour in zip(given.item_ids, given.types, strict=True)
            if call.hidden is Hidden.SEEN or behaviour == PURCHASE
        ]
        return np.array([*named, *rows_of(items, past)], dtype=np.int64)
    if state is None or state.hidden_items is None:
        return np.array(named, dtype=np.int64)
    rows = items.rows_of_hashes(state.hidden_items)
    return np.concatenate([np.array(named, dtype=np.int64), rows[rows != PADDING_ROW]])


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
    for line, (call, state, context) in enumerate(zip(calls, states, contexts, strict=True)):
        if call.recent_events is not None:
            given = call.recent_events
            rows.append(np.array([items.row_of(item_id) for item_id in given.item_ids], dtype=np.int32))
            types.append(np.array(given.types, dtype=np.uint8))
            times.append(np.array(given.times, dtype=np.float64))
            counts[line] += len(given.item_ids)
        elif state is not None:
            rows.append(stored[line])
            types.append(state.event_types)
            times.append(state.event_times)
            counts[line] += len(state.event_types)
        if context:
            rows.append(np.array(context, dtype=np.int32))
            types.append(np.full(len(context), VIEW, dtype=np.uint8))
            times.append(np.full(len(context), now))
            counts[line] += len(context)
    if not rows:
        return None
    lines = np.repeat(np.arange(len(calls)), counts)
    return _Events(lines, np.concatenate(rows), np.concatenate(types), np.concatenate(times))


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
    lines = events.lines[known]
    ends = np.cumsum(np.bincount(lines, minlength=size))
    places = window - (ends[lines] - np.arange(len(lines)))
    fits = places >= 0
    return places[fits], _Events(
        lines[fits], events.rows[known][fits], events.types[known][fits], events.times[known][fits]
    )
