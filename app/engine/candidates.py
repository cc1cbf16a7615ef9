"""Candidates of a batch: the rows that may be answered, with the score of the source that found them."""

from dataclasses import dataclass
from enum import IntFlag

import numpy as np
from numpy.typing import NDArray

from app.artifact.names import PADDING_ROW
from app.engine.items import Items


class Source(IntFlag):
    """Where a candidate came from; one may come from several."""

    RETRIEVAL = 1
    POPULAR = 2


@dataclass(frozen=True)
class Candidates:
    """Per request, best first; row 0 with score -inf fills the end."""

    rows: NDArray[np.int64]  # [batch, width]
    scores: NDArray[np.float32]  # [batch, width]
    sources: NDArray[np.uint8]  # [batch, width] of `Source`
    query_vectors: NDArray[np.float32]  # [batch, dim]

    def __len__(self) -> int:
        return len(self.rows)


def replace_with_popular(
    candidates: Candidates,
    which: NDArray[np.bool_],
    items: Items,
    exclude_rows: NDArray[np.int64],
    item_mask: NDArray[np.bool_] | None,
) -> Candidates:
    """Put popular items where a request has no signal.

    Args:
        candidates: of the whole batch.
        which: `[batch]`, the requests without signal.
        items: the item table, for its popularity.
        exclude_rows: `[batch, excluded]`, padded with 0.
        item_mask: `[1 or batch, rows]`, false for items that must not be answered.
    """
    if not which.any():
        return candidates
    rows, scores, sources = candidates.rows.copy(), candidates.scores.copy(), candidates.sources.copy()
    width = rows.shape[1]
    for line in np.flatnonzero(which):
        mask = None if item_mask is None else item_mask[line if len(item_mask) > 1 else 0]
        found = popular(items, width, exclude_rows[line], mask)
        rows[line], scores[line], sources[line] = PADDING_ROW, -np.inf, 0
        rows[line, : len(found)] = found
        scores[line, : len(found)] = items.popularity[found]
        sources[line, : len(found)] = Source.POPULAR
    return Candidates(rows, scores, sources, candidates.query_vectors)


def popular(
    items: Items, count: int, exclude_rows: NDArray[np.int64], mask: NDArray[np.bool_] | None = None
) -> NDArray[np.int64]:
    """The rows of the `count` most popular items that are not excluded.

    Args:
        items: the item table.
        count: how many, at most.
        exclude_rows: `[excluded]`, in any order, padded with 0.
        mask: `[rows]`, false for items that must not be answered.
    """
    allowed = items.popular_rows if mask is None else items.popular_rows[mask[items.popular_rows]]
    head = allowed[: count + len(exclude_rows)]
    return head[~np.isin(head, exclude_rows)][:count]
