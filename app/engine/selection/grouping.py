"""Groups: at most one item, the best, of each value of a column."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.artifact.names import PADDING_ROW
from app.engine.candidates import Candidates
from app.engine.requests import ItemMask
from app.engine.selection.column import NO_VALUE
from app.engine.selection.column_view import AnyColumn
from app.errors import InvalidRequest


@dataclass(frozen=True, eq=False)
class Grouping:
    """How the items of one request are grouped."""

    column: AnyColumn  # whose values the groups are; an item without one is a group of its own
    groups: int  # at most
    mask: NDArray[np.bool_]  # [rows] items that may be answered

    def count(self) -> int:
        """The number of groups of all items that may be answered."""
        codes = self.column.codes[self.mask]
        present = np.zeros(self.column.values + 1, dtype=np.bool_)  # the last one is for those without
        present[codes] = True
        return int(present[:-1].sum() + (codes == NO_VALUE).sum())

    def without(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """`[rows]`, the items that may be answered and belong to no group of the given rows."""
        codes = self.column.codes
        has_item = np.zeros(self.column.values + 1, dtype=np.bool_)
        has_item[codes[rows]] = True
        has_item[NO_VALUE] = False
        remaining = self.mask & ~has_item[codes]
        remaining[rows] = False
        return remaining


RecommendAgain = Callable[[NDArray[np.int64], ItemMask], Candidates]
"""The candidates of the chosen requests, under masks of their own."""


def check_groups(column: AnyColumn) -> None:
    """Refuse a column that does not divide items into groups.

    Raises:
        InvalidRequest: it holds numbers, or several values of an item.
    """
    if column.kind == "number" or not column.has_one_value:
        holds = "numbers" if column.kind == "number" else "several values of one item"
        raise InvalidRequest(
            f"group_by: expected a column of texts, one an item, got {column.name!r}, which holds {holds}", "group_by"
        )


def first_of_groups(rows: NDArray[np.int64], column: AnyColumn, limit: int) -> NDArray[np.int64]:
    """The positions of the first `limit` rows that begin a group, in their order; padding begins none.

    Args:
        rows: `[n]`, best first.
        column: whose values the groups are; an item without one is a group of its own.
    """
    codes = column.codes
    positions: list[NDArray[np.int64]] = []
    seen = np.zeros(column.values + 1, dtype=np.bool_)
    count, start, size = 0, 0, max(256, 2 * limit)
    while start < len(rows) and count < limit:  # a chunk at a time: the head of a long list is mostly enough
        chunk = rows[start : start + size]
        chunk_codes = codes[chunk]
        _, first = np.unique(chunk_codes, return_index=True)
        begins = chunk_codes == NO_VALUE
        begins[first] = True
        begins &= (chunk != PADDING_ROW) & ((chunk_codes == NO_VALUE) | ~seen[chunk_codes])
        seen[chunk_codes] = True
        chunk_positions = np.flatnonzero(begins)
        positions.append(chunk_positions + start)
        count += len(chunk_positions)
        start, size = start + size, 2 * size
    return np.concatenate([np.zeros(0, dtype=np.int64), *positions])[:limit]


def group_candidates(
    candidates: Candidates, groupings: Sequence[Grouping | None], recommend_again: RecommendAgain
) -> Candidates:
    """The candidates with the best item of each group only, and as many groups as wanted where there are so many.

    Where the candidates hold too few groups, those of the other groups are fetched, and follow.

    Args:
        candidates: of all requests, best first.
        groupings: of each request, None for one without groups.
    """
    lists = {
        request: _BestOfGroups(candidates, request, grouping)
        for request, grouping in enumerate(groupings)
        if grouping is not None
    }
    short = [request for request, best in lists.items() if best.is_short()]
    while short:
        masks = np.stack([lists[request].remaining() for request in short])
        more = recommend_again(np.array(short), ItemMask(masks))
        for index, request in enumerate(short):
            lists[request].add(more, index)
        short = [request for request in short if lists[request].is_short()]
    for request, best in lists.items():
        requests = np.array([request])
        candidates = candidates.with_requests(requests, best.candidates(candidates.query_vectors[requests]))
    return candidates


class _BestOfGroups:
    """The best items of the groups of one request, so far."""

    def __init__(self, candidates: Candidates, request: int, grouping: Grouping) -> None:
        self._grouping = grouping
        self._groups = min(grouping.groups, grouping.count())
        self._rows = np.zeros(0, dtype=np.int64)
        self._scores = np.zeros(0, dtype=np.float32)
        self._sources = np.zeros(0, dtype=np.uint8)
        self.add(candidates, request)

    def is_short(self) -> bool:
        return len(self._rows) < self._groups

    def remaining(self) -> NDArray[np.bool_]:
        return self._grouping.without(self._rows)

    def add(self, candidates: Candidates, request: int) -> None:
        """Add the candidates of groups that have none yet; scores keep descending."""
        rows = candidates.rows[request]
        positions = first_of_groups(rows, self._grouping.column, self._groups - len(self._rows))
        scores = candidates.scores[request, positions]
        if len(self._scores):
            scores = np.minimum(scores, self._scores[-1])
        self._rows = np.concatenate([self._rows, rows[positions]])
        self._scores = np.concatenate([self._scores, scores])
        self._sources = np.concatenate([self._sources, candidates.sources[request, positions]])

    def candidates(self, query_vectors: NDArray[np.float32]) -> Candidates:
        return Candidates(self._rows[None], self._scores[None], self._sources[None], query_vectors)
