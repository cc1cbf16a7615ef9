"""From calls and stored states to the arrays that the engine reads."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.artifact.behaviours import PURCHASE, VIEW
from app.artifact.names import PADDING_ROW
from app.engine.catalogue import Items
from app.engine.requests import RequestBatch, pad_rows
from app.serving.call import RecommendCall
from app.stores.state import Exclude, UserState


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
    event_rows = np.zeros((size, window), dtype=np.int32)
    event_types = np.zeros((size, window), dtype=np.uint8)
    event_times = np.full((size, window), np.nan, dtype=np.float64)
    for index, (call, state, rows, context) in enumerate(
        zip(calls, states, _stored_rows(calls, states, items), contexts, strict=True)
    ):
        end = max(0, window - len(context))
        if context and window:
            event_rows[index, end:] = context[-window:]
            event_types[index, end:] = VIEW
            event_times[index, end:] = now
        history = _history_of(call, state, rows, items)
        count = 0 if history is None else min(len(history[0]), end)
        if history is not None and count:
            part = slice(end - count, end)
            event_rows[index, part], event_types[index, part], event_times[index, part] = (
                column[-count:] for column in history
            )
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
) -> Sequence[int] | NDArray[np.int64]:
    """The rows that must not be answered to one call; an item may be among them more than once."""
    named_rows = [*rows_of(items, call.exclude_item_ids), *context, *([call.similar_to] if call.similar_to else [])]
    if call.exclude is Exclude.NONE:
        return named_rows
    if call.recent_events is not None:
        history = call.recent_events
        past = [
            item_id
            for item_id, behaviour in zip(history.item_ids, history.types, strict=True)
            if call.exclude is Exclude.SEEN or behaviour == PURCHASE
        ]
        return [*named_rows, *rows_of(items, past)]
    if state is None or state.excluded_items is None:
        return named_rows
    rows = items.rows_of_hashes(state.excluded_items)
    return np.concatenate([np.array(named_rows, dtype=np.int64), rows[rows != PADDING_ROW]])


def _exclude_rows(
    calls: Sequence[RecommendCall],
    states: Sequence[UserState | None],
    contexts: Sequence[list[int]],
    items: Items,
) -> NDArray[np.int64]:
    """`[batch, excluded]`, padded with row 0."""
    return pad_rows(
        [
            exclude_rows_of(call, state, context, items)
            for call, state, context in zip(calls, states, contexts, strict=True)
        ]
    )


def _stored_rows(
    calls: Sequence[RecommendCall], states: Sequence[UserState | None], items: Items
) -> list[NDArray[np.int32] | None]:
    """The item rows of the events of each state that a call reads, with one look-up for all."""
    hashes = [
        None if state is None or call.recent_events is not None else state.event_items
        for call, state in zip(calls, states, strict=True)
    ]
    read = [of_user for of_user in hashes if of_user is not None]
    if not read:
        return [None] * len(calls)
    rows = items.rows_of_hashes(read[0] if len(read) == 1 else np.concatenate(read))
    parts: list[NDArray[np.int32] | None] = []
    start = 0
    for of_user in hashes:
        end = start if of_user is None else start + len(of_user)
        parts.append(None if of_user is None else rows[start:end])
        start = end
    return parts


def _history_of(
    call: RecommendCall, state: UserState | None, rows: NDArray[np.int32] | None, items: Items
) -> tuple[NDArray[np.int32], NDArray[np.uint8], NDArray[np.float64]] | None:
    """Rows, behaviours and times of the events of known items, oldest first; `rows` are those of the state's events."""
    if call.recent_events is not None:
        given = call.recent_events
        rows = np.array([items.row_of(item_id) for item_id in given.item_ids], dtype=np.int32)
        types = np.array(given.types, dtype=np.uint8)
        times = np.array(given.times, dtype=np.float64)
        if not len(rows) == len(types) == len(times):
            raise ValueError(f"a history is three lists of one length, got {len(rows)}, {len(types)} and {len(times)}")
    elif state is not None and rows is not None:
        types, times = state.event_types, state.event_times
    else:
        return None
    if np.count_nonzero(rows) < len(rows):
        known = rows != PADDING_ROW
        rows, types, times = rows[known], types[known], times[known]
    return rows, types, times
