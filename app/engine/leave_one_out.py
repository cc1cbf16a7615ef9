"""What each item of a history, and popularity, adds to the ranker's order: the score less that without it.

As `app.engine.explain` does it for all requests; here for those that nothing but the ranker's order scores, whose
variants share candidates, and differ in their events alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.names import PADDING_ROW
from app.artifact.rank_features import POPULARITY
from app.artifact.rank_tables import RankTables
from app.engine.kernels.features import features_of_variants, log_minutes_of, popularity_columns
from app.engine.kernels.variants import Variants, variants_without
from app.engine.ranking import Ranker
from app.engine.requests import RequestBatch
from app.engine.snapshot import Snapshot

MOST_ITEMS: Final = 10
"""Items of the history, newest first, that have a contribution of their own."""


@dataclass(frozen=True)
class Contributions:
    """What the parts of one request add to the scores of `n` items."""

    event_rows: NDArray[np.int64]  # [events] different items, the newest first
    behaviours: NDArray[np.uint8]  # [events] of the newest event on each
    by_events: NDArray[np.float64]  # [events, n]
    by_query: NDArray[np.float64]  # [n] zeros without a query
    by_popularity: NDArray[np.float64]  # [n]


def contributions_to_order(
    snapshot: Snapshot,
    ranker: Ranker,
    batch: RequestBatch,
    answered: Sequence[NDArray[np.int64]],
    lists: Sequence[NDArray[np.int64]],
    compared_rows: Sequence[NDArray[np.int64] | None],
) -> list[Contributions]:
    """As `app.engine.explain.contributions`, for requests that the ranker orders, without query and objective.

    Args:
        snapshot: the loaded bundle.
        ranker: of it.
        batch: the requests.
        answered: of each request, the rows to explain, each once; at least one.
        lists: of each request, the rows of the whole list.
        compared_rows: of each request, the ascending rows of the candidates that the answered ones were ranked within;
            themselves where there are none.
    """
    recent = [recent_items(*events) for events in zip(batch.event_rows, batch.event_types, strict=True)]
    variants = [_variants_of(batch, request, rows) for request, (rows, _) in enumerate(recent)]
    vectors = _query_vectors(snapshot, batch, variants)
    result = []
    start = 0
    for request, ((event_rows, behaviours), of_request) in enumerate(zip(recent, variants, strict=True)):
        order, compared = np.argsort(answered[request]), compared_rows[request]
        rows = answered[request][order].astype(np.int64, copy=False)
        end = start + len(of_request.rows)
        features = features_of_variants(
            snapshot.tables,
            rows,
            of_request,
            vectors[start:end],
            rows if compared is None or not len(compared) else compared,
        )
        alike = features[: len(rows)].copy()  # all items as popular as the list is on average
        alike[:, POPULARITY] = popularity_level(snapshot.tables, lists[request])
        scores = ranker.order_scores(np.concatenate([features, alike])).astype(np.float64).reshape(-1, len(rows))
        block = np.empty_like(scores)
        block[:, order] = scores
        differences = block[0] - block  # the first variant is the request itself
        result.append(
            Contributions(event_rows, behaviours, differences[1:-1], np.zeros(len(rows)), differences[-1]),
        )
        start = end
    return result


def _variants_of(batch: RequestBatch, request: int, removed: NDArray[np.int64]) -> Variants:
    """A request as it is, and without the events on each item of `removed`."""
    part = slice(request, request + 1)
    events = Variants(
        batch.event_rows[part],
        batch.event_types[part],
        batch.event_times[part],
        log_minutes_of(batch.event_times[part], batch.now[part]),
        float(batch.now[request]),
    )
    return variants_without(events, np.concatenate([np.zeros(1, dtype=np.int64), removed]))


def _query_vectors(snapshot: Snapshot, batch: RequestBatch, variants: Sequence[Variants]) -> NDArray[np.float32]:
    """The vectors of all variants of all requests, `[variants, dim]`; zeros where nothing remains."""
    counts = [len(of_request.rows) for of_request in variants]
    request = np.repeat(np.arange(len(batch)), counts)
    all_of_them = RequestBatch(
        now=batch.now[request],
        event_rows=_joined([of_request.rows for of_request in variants]),
        event_types=_joined([of_request.types for of_request in variants]),
        event_times=_joined([of_request.times for of_request in variants]),
        long_vector=batch.long_vector[request],
        long_weight=batch.long_weight[request],
        exclude_rows=np.zeros((len(request), 0), dtype=np.int64),
    )
    vectors = snapshot.retriever.query_vectors(all_of_them)
    vectors[~all_of_them.has_signal()] = 0.0
    return vectors


def _joined(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def recent_items(
    event_rows: NDArray[np.int32], event_types: NDArray[np.uint8]
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """The newest items of a window, newest first, and the behaviour of the newest event on each."""
    newest: dict[int, int] = {}
    for row, behaviour in zip(event_rows.tolist(), event_types.tolist(), strict=True):
        if row != PADDING_ROW:
            newest.pop(row, None)  # so that the order is that of the newest events
            newest[row] = behaviour
    rows = list(newest)[: -1 - MOST_ITEMS : -1]
    return np.array(rows, dtype=np.int64), np.array([newest[row] for row in rows], dtype=np.uint8)


def popularity_level(tables: RankTables, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """The means of the popularity features over some items."""
    columns = popularity_columns(tables, rows).astype(np.float64)
    return np.asarray(columns.mean(axis=1), dtype=np.float32)
