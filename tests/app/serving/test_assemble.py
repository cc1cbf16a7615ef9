"""From calls and states to arrays, against the slow and obvious way to do it."""

import math
from typing import Any

import numpy as np
import pytest

from app.artifact.hashing import stable_hash
from app.engine.snapshot import Snapshot
from app.serving.assemble import assemble
from app.serving.call import EventHistory, RecommendCall
from app.stores.state import Exclude, UserState

NOW = 1_700_000_000.0
Event = tuple[int, int, float]  # row, type, time


def slowly(call: RecommendCall, state: UserState | None, snapshot: Snapshot, window: int) -> list[Event]:
    """The events of one call, oldest first."""
    items = snapshot.items
    row_of_hash = {items.hash_of_row(row): row for row in range(1, items.last_row + 1)}
    events: list[Event] = []
    if call.recent_events is not None:
        given = call.recent_events
        for item_id, type_, time in zip(given.item_ids, given.types, given.times, strict=True):
            events.append((items.row_of(item_id), type_, time))
    elif state is not None:
        for hash_, type_, time in zip(state.event_items, state.event_types, state.event_times, strict=True):
            events.append((row_of_hash.get(int(hash_), 0), int(type_), float(time)))
    events += [(items.row_of(item_id), 1, NOW) for item_id in call.context_item_ids]
    return [event for event in events if event[0]][-window:] if window else []


def hidden_slowly(call: RecommendCall, state: UserState | None, snapshot: Snapshot) -> set[int]:
    """The rows of the past that a call does not want to see."""
    if call.exclude is Exclude.NONE:
        return set()
    if call.recent_events is not None:
        given = zip(call.recent_events.item_ids, call.recent_events.types, strict=True)
        return {snapshot.items.row_of(item) for item, type_ in given if call.exclude is Exclude.SEEN or type_ == 3}
    if state is None or state.excluded_items is None:
        return set()
    hashes = {int(hash_) for hash_ in state.excluded_items}
    return {row for row in range(1, snapshot.items.last_row + 1) if snapshot.items.hash_of_row(row) in hashes}


def some_ids(rng: np.random.Generator, item_ids: list[str], most: int) -> list[str]:
    chosen = [str(item_id) for item_id in rng.choice(item_ids, size=int(rng.integers(0, most + 1)))]
    return [item_id if rng.random() > 0.15 else "gone" for item_id in chosen]


def some_call(rng: np.random.Generator, item_ids: list[str]) -> RecommendCall:
    given = some_ids(rng, item_ids, 12)
    events = EventHistory(
        given, [int(type_) for type_ in rng.integers(1, 4, len(given))], list(NOW - rng.random(len(given)) * 1e6)
    )
    return RecommendCall(
        k=20,
        user_id="u",
        context_item_ids=some_ids(rng, item_ids, 4),
        recent_events=events if rng.random() < 0.4 else None,
        exclude_item_ids=some_ids(rng, item_ids, 6),
        similar_to=int(rng.integers(1, 50)) if rng.random() < 0.2 else 0,
        exclude=Exclude(int(rng.integers(0, 3))),
    )


def some_state(rng: np.random.Generator, item_ids: list[str], dim: int) -> UserState | None:
    if rng.random() < 0.3:
        return None
    ids = some_ids(rng, item_ids, 12)
    return UserState(
        long_vector=rng.normal(size=dim).astype(np.float32) if rng.random() < 0.8 else None,
        long_weight=float(rng.random()),
        event_items=np.array([stable_hash(item_id) for item_id in ids], dtype=np.uint64),
        event_types=rng.integers(1, 4, len(ids)).astype(np.uint8),
        event_times=np.where(rng.random(len(ids)) < 0.2, np.nan, NOW - rng.random(len(ids)) * 1e6),
        excluded_items=np.array([stable_hash(item_id) for item_id in some_ids(rng, item_ids, 30)], dtype=np.uint64),
    )


def same(came: Any, expected: Any) -> None:
    np.testing.assert_array_equal(np.asarray(came), np.asarray(expected))


@pytest.mark.parametrize("seed", range(30))
def test_a_batch_is_what_the_obvious_way_makes_of_each_call(snapshot: Snapshot, item_ids: list[str], seed: int) -> None:
    rng = np.random.default_rng(seed)
    dim = snapshot.items.vectors.shape[1]
    window = int(rng.integers(1, 10))
    calls = [some_call(rng, item_ids) for _ in range(int(rng.integers(1, 9)))]
    states = [some_state(rng, item_ids, dim) for _ in calls]
    batch = assemble(calls, states, snapshot.items, window, NOW)
    assert len(batch) == len(calls)
    for line, (call, state) in enumerate(zip(calls, states, strict=True)):
        events = slowly(call, state, snapshot, window)
        padding = [(0, 0, math.nan)] * (window - len(events))
        rows, types, times = zip(*padding, *events, strict=True)
        same(batch.event_rows[line], rows)
        same(batch.event_types[line], types)
        same(batch.event_times[line], times)
        has_long = state is not None and state.long_vector is not None
        same(batch.long_weight[line], np.float32(state.long_weight if has_long and state else 0))
        same(batch.long_vector[line], state.long_vector if has_long and state else np.zeros(dim))
        excluded = {snapshot.items.row_of(item_id) for item_id in (*call.exclude_item_ids, *call.context_item_ids)}
        excluded |= hidden_slowly(call, state, snapshot)
        assert set(batch.exclude_rows[line].tolist()) - {0} == (excluded | {call.similar_to}) - {0}
        if call.similar_to:
            assert batch.given is not None
            assert batch.given_query is not None
            assert batch.given[line]
            same(batch.given_query[line], snapshot.items.vectors_of(np.array([call.similar_to]))[0])
        else:
            assert batch.given is None or not batch.given[line]
    same(batch.now, [NOW] * len(calls))


def test_a_call_that_says_nothing_has_no_signal(snapshot: Snapshot) -> None:
    batch = assemble([RecommendCall(k=1)], [None], snapshot.items, 5, math.nan)
    assert not batch.has_signal().any()
    assert batch.exclude_rows.shape == (1, 0)
