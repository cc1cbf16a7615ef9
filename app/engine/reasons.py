"""Why an item was answered: the recent events that lie nearest to it, or that it is popular."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.artifact.names import PADDING_ROW
from app.engine.candidates import Source
from app.engine.items import Items


@dataclass(frozen=True)
class Reason:
    """One event of the history that speaks for an item, or `row` 0 for 'popular now'."""

    row: int
    behaviour: int
    weight: float  # its share among the events, 0..1; cosine similarity weighted by recency


def reasons_of(
    items: Items,
    event_rows: NDArray[np.int32],
    event_types: NDArray[np.uint8],
    item_rows: NDArray[np.int64],
    sources: NDArray[np.uint8],
    most: int = 2,
) -> list[list[Reason]]:
    """At most `most` reasons for each answered item of one request, the weightiest first.

    Args:
        items: the item table.
        event_rows: `[window]`, newest last, padded with 0.
        event_types: `[window]`.
        item_rows: `[k]`.
        sources: `[k]`.
        most: reasons an item.
    """
    present = event_rows != PADDING_ROW
    rows, types = event_rows[present][::-1], event_types[present][::-1]
    rows, first = np.unique(rows, return_index=True)  # an item counts once, by its newest event
    types, recency = types[first], 0.9**first
    similarity = _unit(items.vectors_of(item_rows)) @ _unit(items.vectors_of(rows)).T  # [k, events]
    weights = np.maximum(similarity, 0.0) * recency
    shares = weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-9)
    best = np.argsort(-shares, axis=1, kind="stable")[:, :most]
    found: list[list[Reason]] = []
    for line, source in enumerate(sources):
        if source & Source.POPULAR or not len(rows):
            found.append([Reason(PADDING_ROW, 0, 1.0)] if source & Source.POPULAR else [])
            continue
        found.append(
            [
                Reason(int(rows[event]), int(types[event]), round(float(shares[line, event]), 4))
                for event in best[line]
                if shares[line, event] > 0
            ]
        )
    return found


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(norms, 1e-9), dtype=np.float32)
