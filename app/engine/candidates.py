"""Candidates of a batch: the item rows that may be answered, with their scores and the sources they came from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntFlag
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from app.artifact.names import PADDING_ROW
from app.artifact.rank_features import CandidateList
from app.engine.catalogue import Items
from app.engine.kernels.order import best_of_requests
from app.engine.requests import ALL_ITEMS, ItemMask

_Value = TypeVar("_Value")


class Source(IntFlag):
    """A candidate source; an item may come from several."""

    RETRIEVAL = 1
    POPULAR = 2
    HISTORY = 4
    CO_OCCURRENCE = 8
    NAMED = 16  # by the caller
    LEXICAL = 32  # has words of the query


@dataclass(frozen=True)
class Candidates:
    """Per request, best first; row 0 with score -inf fills the end."""

    rows: NDArray[np.int64]  # [batch, width]
    scores: NDArray[np.float32]  # [batch, width]
    sources: NDArray[np.uint8]  # [batch, width] of `Source`
    query_vectors: NDArray[np.float32]  # [batch, dim]
    matched_items: tuple[NDArray[np.bool_] | None, ...] | None = None  # of each search, `[rows]` the items it matches
    compared_rows: tuple[NDArray[np.int64] | None, ...] | None = None  # of each request whose scores hang on a list: it

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, requests: NDArray[np.int64]) -> "Candidates":
        """The candidates of the chosen requests, in that order."""
        return Candidates(
            self.rows[requests],
            self.scores[requests],
            self.sources[requests],
            self.query_vectors[requests],
            _taken(self.matched_items, requests),
            _taken(self.compared_rows, requests),
        )

    def head(self, width: int) -> "Candidates":
        """The best `width` of each request."""
        return replace(self, rows=self.rows[:, :width], scores=self.scores[:, :width], sources=self.sources[:, :width])

    def with_requests(self, requests: NDArray[np.int64], replacement: "Candidates") -> "Candidates":
        """The same batch with rows, scores and sources of the chosen requests, which ascend, replaced by those of
        `replacement`, and what they were compared with.
        """
        width = max(self.rows.shape[1], replacement.rows.shape[1])
        if len(requests) == len(self) and replacement.rows.shape[1] == width:  # in their order
            compared_rows = replacement.compared_rows or self.compared_rows or (None,) * len(self)
            return replace(
                replacement,
                query_vectors=self.query_vectors,
                matched_items=self.matched_items,
                compared_rows=compared_rows,
            )
        rows, scores, sources = (
            _replace(old, requests, pad_columns(new, width, fill), width, fill)
            for old, new, fill in (
                (self.rows, replacement.rows, PADDING_ROW),
                (self.scores, replacement.scores, -np.inf),
                (self.sources, replacement.sources, 0),
            )
        )
        compared = list(self.compared_rows or [None] * len(self))
        for request, of_request in zip(requests.tolist(), replacement.compared_rows or (), strict=False):
            compared[request] = of_request
        return Candidates(rows, scores, sources, self.query_vectors, self.matched_items, tuple(compared))


def candidates_from_graph(
    scores: NDArray[np.float32], rows: NDArray[np.int64], query_vectors: NDArray[np.float32]
) -> Candidates:
    """The outputs of the retrieval graph: scores and rows `[batch, width]`, where a score of -inf marks padding."""
    is_item = np.isfinite(scores)
    return Candidates(
        rows if is_item.all() else np.where(is_item, rows, PADDING_ROW), scores, _retrieved(is_item), query_vectors
    )


def _retrieved(is_item: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The source of retrieval, which is bit 1, where there is an item."""
    return is_item.view(np.uint8)


def merge_parts(size: int, parts: Sequence[tuple[NDArray[np.int64], Candidates]]) -> Candidates:
    """One batch of `size` requests from parts of it, each with the requests that it holds."""
    width = max(part.rows.shape[1] for _, part in parts)
    rows = np.full((size, width), PADDING_ROW, dtype=np.int64)
    scores = np.full((size, width), -np.inf, dtype=np.float32)
    sources = np.zeros((size, width), dtype=np.uint8)
    vectors = np.zeros((size, parts[0][1].query_vectors.shape[1]), dtype=np.float32)
    matched_items: list[NDArray[np.bool_] | None] = [None] * size
    compared: list[NDArray[np.int64] | None] = [None] * size
    for requests, part in parts:
        columns = slice(0, part.rows.shape[1])
        rows[requests, columns] = part.rows
        scores[requests, columns] = part.scores
        sources[requests, columns] = part.sources
        vectors[requests] = part.query_vectors
        for request, mask in zip(requests.tolist(), part.matched_items or [None] * len(requests), strict=True):
            matched_items[request] = mask
        for request, of_request in zip(requests.tolist(), part.compared_rows or [None] * len(requests), strict=True):
            compared[request] = of_request
    return Candidates(rows, scores, sources, vectors, tuple(matched_items), tuple(compared))


def top_k(
    candidate_list: CandidateList, scores: NDArray[np.float32], depth: int, query_vectors: NDArray[np.float32]
) -> Candidates:
    """The `depth` candidates of each request with the best scores `[candidates]`; the lower row wins a tie."""
    rows, best_scores, sources = best_of_requests(candidate_list, scores, depth)
    return Candidates(rows, best_scores, sources, query_vectors)


def replace_with_popular(
    candidates: Candidates,
    which: NDArray[np.bool_],
    items: Items,
    exclude_rows: NDArray[np.int64],
    item_mask: ItemMask = ALL_ITEMS,
) -> Candidates:
    """The candidates with popular items for some of the requests.

    Args:
        which: `[batch]`, the requests without signal.
        exclude_rows: `[batch, excluded]`, padded with 0.
    """
    if not which.any():
        return candidates
    rows, scores, sources = candidates.rows.copy(), candidates.scores.copy(), candidates.sources.copy()
    width = rows.shape[1]
    for request in np.flatnonzero(which).tolist():
        best = popular(items, width, exclude_rows[request], item_mask.of(request))
        rows[request], scores[request], sources[request] = PADDING_ROW, -np.inf, 0
        rows[request, : len(best)] = best
        scores[request, : len(best)] = items.popularity[best]
        sources[request, : len(best)] = Source.POPULAR
    return Candidates(rows, scores, sources, candidates.query_vectors)


def popular(
    items: Items, count: int, exclude_rows: NDArray[np.int64], mask: NDArray[np.bool_] | None = None
) -> NDArray[np.int64]:
    """The rows of the `count` most popular items that are not excluded.

    Args:
        exclude_rows: `[excluded]`, in any order, padded with 0.
        mask: `[rows]`, false for items that must not be answered.
    """
    allowed = items.popular_rows if mask is None else items.popular_rows[mask[items.popular_rows]]
    head = allowed[: count + len(exclude_rows)]
    return head[~np.isin(head, exclude_rows)][:count]


def pad_columns(values: NDArray[Any], width: int, fill: float) -> NDArray[Any]:
    """The array `[n, columns]` with at least `width` columns."""
    if values.shape[1] >= width:
        return values
    padded = np.full((len(values), width), fill, dtype=values.dtype)
    padded[:, : values.shape[1]] = values
    return padded


def _taken(values: tuple[_Value, ...] | None, requests: NDArray[np.int64]) -> tuple[_Value, ...] | None:
    return None if values is None else tuple(values[request] for request in requests.tolist())


def _replace(
    old: NDArray[Any], requests: NDArray[np.int64], new: NDArray[Any], width: int, fill: float
) -> NDArray[Any]:
    replaced = old.copy() if old.shape[1] == width else pad_columns(old, width, fill)
    replaced[requests] = new
    return replaced
