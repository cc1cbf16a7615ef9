"""Candidates of a batch: the rows that may be answered, with the score of the source that found them."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntFlag
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.artifact.names import PADDING_ROW
from app.engine.catalogue import Items


class Source(IntFlag):
    """Where a candidate came from; one may come from several."""

    RETRIEVAL = 1
    POPULAR = 2
    HISTORY = 4
    CO_OCCURRENCE = 8
    ASKED = 16  # named by the caller
    LEXICAL = 32  # has the query's words


@dataclass(frozen=True)
class Candidates:
    """Per request, best first; row 0 with score -inf fills the end."""

    rows: NDArray[np.int64]  # [batch, width]
    scores: NDArray[np.float32]  # [batch, width]
    sources: NDArray[np.uint8]  # [batch, width] of `Source`
    query_vectors: NDArray[np.float32]  # [batch, dim]
    found: tuple[NDArray[np.bool_] | None, ...] | None = None  # of each search, `[rows]` all that it found

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, lines: NDArray[np.int64]) -> "Candidates":
        """Those of the chosen requests."""
        found = None if self.found is None else tuple(self.found[line] for line in lines.tolist())
        return Candidates(self.rows[lines], self.scores[lines], self.sources[lines], self.query_vectors[lines], found)

    def head(self, width: int) -> "Candidates":
        """The best `width` of each request."""
        return Candidates(
            self.rows[:, :width], self.scores[:, :width], self.sources[:, :width], self.query_vectors, self.found
        )

    def with_lines(
        self,
        lines: NDArray[np.int64],
        rows: NDArray[np.int64],
        scores: NDArray[np.float32],
        sources: NDArray[np.uint8],
    ) -> "Candidates":
        """The same with the candidates of some requests replaced, `[lines, width]` each."""
        width = max(self.rows.shape[1], rows.shape[1])
        all_rows, all_scores, all_sources = (
            _widened(values, width, fill)
            for values, fill in ((self.rows, PADDING_ROW), (self.scores, -np.inf), (self.sources, 0))
        )
        for whole, part, fill in (
            (all_rows, rows, PADDING_ROW),
            (all_scores, scores, -np.inf),
            (all_sources, sources, 0),
        ):
            whole[lines] = fill
            whole[lines, : part.shape[1]] = part
        return Candidates(all_rows, all_scores, all_sources, self.query_vectors, self.found)


def retrieved(scores: NDArray[np.float32], rows: NDArray[np.int64], query_vectors: NDArray[np.float32]) -> Candidates:
    """What a search found, as its graph tells it: scores and rows `[batch, width]`, -inf where there is nothing."""
    found = np.isfinite(scores)
    return Candidates(
        rows=np.where(found, rows, PADDING_ROW),
        scores=scores,
        sources=np.where(found, Source.RETRIEVAL, 0).astype(np.uint8),
        query_vectors=query_vectors,
    )


def interleaved(size: int, parts: Sequence[tuple[NDArray[np.int64], Candidates]]) -> Candidates:
    """One batch of `size` requests from the candidates of parts of it, each with the lines that it holds."""
    width = max(part.rows.shape[1] for _, part in parts)
    rows = np.full((size, width), PADDING_ROW, dtype=np.int64)
    scores = np.full((size, width), -np.inf, dtype=np.float32)
    sources = np.zeros((size, width), dtype=np.uint8)
    vectors = np.zeros((size, parts[0][1].query_vectors.shape[1]), dtype=np.float32)
    found: list[NDArray[np.bool_] | None] = [None] * size
    for lines, part in parts:
        wide = part.rows.shape[1]
        rows[lines, :wide], scores[lines, :wide], sources[lines, :wide] = part.rows, part.scores, part.sources
        vectors[lines] = part.query_vectors
        for line, each in zip(lines.tolist(), part.found or [None] * len(lines), strict=True):
            found[line] = each
    return Candidates(rows, scores, sources, vectors, tuple(found))


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


def _widened(values: NDArray[Any], width: int, fill: float) -> NDArray[Any]:
    """A copy with `width` columns."""
    wide = np.full((len(values), width), fill, dtype=values.dtype)
    wide[:, : values.shape[1]] = values
    return wide


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
