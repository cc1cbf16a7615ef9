"""Cases as the requests that the service would make of them: stored state of the bundle, then what came since."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.artifact.columns import offsets_of
from app.artifact.names import PADDING_ROW
from app.artifact.user_state import UserStates
from app.engine.catalogue import Items
from app.engine.requests import RequestBatch
from app.engine.snapshot import Snapshot
from offline.dataset.histories import Histories
from offline.dataset.people import person_hashes
from offline.evaluation.protocol import Cases, RowLists


def bundle_rows(item_ids: Sequence[str], items: Items) -> NDArray[np.int32]:
    """The bundle's row of every row of a split, `[n + 1]`; 0 for items that the bundle lacks, and for row 0.

    Args:
        item_ids: the split's items in the order of their rows, `[n]`.
        items: the item table of the bundle.
    """
    return np.array([0, *map(items.row_of, item_ids)], dtype=np.int32)


def split_rows(rows: NDArray[np.int32], items: int) -> NDArray[np.int32]:
    """The inverse of `bundle_rows` for a bundle with `items` items, `[items + 1]`; 0 for items the split lacks."""
    inverse = np.zeros(items + 1, dtype=np.int32)
    inverse[rows] = np.arange(len(rows))
    inverse[PADDING_ROW] = PADDING_ROW
    return inverse


def batch_of_cases(
    cases: Cases, rows: NDArray[np.int32], states: UserStates, window: int
) -> tuple[RequestBatch, NDArray[np.bool_]]:
    """One request a case, without exclusions, and whether the bundle's stored state was used for it.

    The newest `window` events of the history are the request's events, as when context events are added to a stored
    state. The events before the stored ones come as the stored sum, and only where the stored events are the newest
    ones of the history without its context: a state that knows more or something else (validation, a bundle of other
    data) would tell of what is held out. Elsewhere the request brings its own events, and older ones are unknown.

    Args:
        cases: who is scored.
        rows: from `bundle_rows`.
        states: of the bundle.
        window: events that the bundle reads.
    """
    whole = _histories(cases, rows, np.ones(len(cases.history.rows), dtype=np.bool_))
    before = _histories(cases, rows, ~_is_context(cases))
    users = _find(states, person_hashes(cases.user_ids))
    known = users >= 0
    offsets = np.asarray(states.event_offsets)
    stored = Histories(offsets, states.event_rows, states.event_types, states.event_times)
    position = offsets[users + 1][:, None] - window + np.arange(window)[None, :]
    stored_rows, stored_types, _ = stored.take(position, known[:, None] & (position >= offsets[users][:, None]))
    own_rows, own_types, _ = before.windows(window)
    is_stored = known & (stored_rows == own_rows).all(axis=1) & (stored_types == own_types).all(axis=1)
    event_rows, event_types, event_times = whole.windows(window)
    long_vector = np.zeros((len(cases), states.long_vectors.shape[1]), dtype=np.float32)
    long_weight = np.zeros(len(cases), dtype=np.float32)
    long_vector[is_stored], long_weight[is_stored] = (
        states.long_vectors_of(users[is_stored]),
        states.long_weights[users[is_stored]],
    )
    batch = RequestBatch(
        now=cases.now,
        event_rows=event_rows.astype(np.int32),
        event_types=event_types.astype(np.uint8),
        event_times=event_times,
        long_vector=long_vector,
        long_weight=long_weight,
        exclude_rows=np.zeros((len(cases), 0), dtype=np.int64),
    )
    return batch, is_stored


def text_requests(snapshot: Snapshot, texts: list[str]) -> RequestBatch:
    """Requests of nobody, for a text each, to a bundle that reads text."""
    assert snapshot.search is not None  # noqa: S101 - callers refuse it
    size, shapes = len(texts), snapshot.manifest.shapes
    return RequestBatch(
        now=np.full(size, np.nan),
        event_rows=np.zeros((size, shapes.window), dtype=np.int32),
        event_types=np.zeros((size, shapes.window), dtype=np.uint8),
        event_times=np.full((size, shapes.window), np.nan),
        long_vector=np.zeros((size, shapes.dim), dtype=np.float32),
        long_weight=np.zeros(size, dtype=np.float32),
        exclude_rows=np.zeros((size, 0), dtype=np.int64),
        matches=snapshot.search.matches(texts),
    )


def _is_context(cases: Cases) -> NDArray[np.bool_]:
    lines = cases.history.lines()
    to_the_end = cases.history.offsets[1:][lines] - np.arange(len(lines))
    return np.asarray(to_the_end <= cases.context[lines], dtype=np.bool_)


def _histories(cases: Cases, rows: NDArray[np.int32], keep: NDArray[np.bool_]) -> Histories:
    """The kept events on items that the bundle has, by its rows."""
    bundle_items = rows[cases.history.rows]
    keep = keep & (bundle_items != 0)
    counts = np.bincount(cases.history.lines()[keep], minlength=len(cases))
    return Histories(
        offsets=offsets_of(counts),
        rows=bundle_items[keep],
        types=cases.history_types[keep],
        times=cases.history_times[keep],
    )


def _find(states: UserStates, hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The index of each user, -1 for those without a state."""
    known = np.asarray(states.hashes)
    if not len(known):
        return np.full(len(hashes), -1)
    index = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
    return np.where(known[index] == hashes, index, -1)


def map_rows(lists: RowLists, rows: NDArray[np.int32]) -> RowLists:
    """Return the same lists by the bundle's rows; items that the bundle lacks become 0."""
    return RowLists(lists.offsets, rows[lists.rows])
