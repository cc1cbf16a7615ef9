"""Groups: at most one item, the best, of each value of a column."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.artifact.names import PADDING_ROW
from app.engine.candidates import Candidates
from app.engine.selection.filter_columns import NO_VALUE, Column
from app.errors import InvalidRequest


@dataclass(frozen=True, eq=False)
class Grouping:
    """What one request wants grouped."""

    column: Column  # whose values the groups are; an item without one is a group of its own
    wanted: int  # groups
    mask: NDArray[np.bool_]  # [rows] items that may be answered

    def count(self) -> int:
        """How many groups the items make that may be answered."""
        codes = self.column.codes[self.mask]
        present = np.zeros(self.column.stored.entry.values + 1, dtype=np.bool_)  # the last one is for those without
        present[codes] = True
        return int(present[:-1].sum() + (codes == NO_VALUE).sum())

    def without(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """`[rows]`, the items that may be answered, less the groups of the given ones."""
        codes = self.column.codes
        taken = np.zeros(self.column.stored.entry.values + 1, dtype=np.bool_)
        taken[codes[rows]] = True
        taken[NO_VALUE] = False
        left = self.mask & ~taken[codes]
        left[rows] = False
        return left


Again = Callable[[NDArray[np.int64], NDArray[np.bool_]], Candidates]
"""The candidates of the requests of the given lines under masks `[lines, rows]`."""


def check_groups(column: Column) -> None:
    """Refuse a column that does not part items into groups.

    Raises:
        InvalidRequest: it holds numbers, or several values of an item.
    """
    if column.kind == "number" or not column.has_one_value:
        holds = "numbers" if column.kind == "number" else "several values of one item"
        raise InvalidRequest(
            f"group_by: expected a column of texts, one an item, came {column.name!r}, which holds {holds}", "group_by"
        )


def first_of_groups(rows: NDArray[np.int64], column: Column, most: int) -> NDArray[np.int64]:
    """The places of the first `most` rows that begin a group, in their order; padding is none.

    Args:
        rows: `[n]`, best first.
        column: whose values the groups are; an item without one is a group of its own.
        most: of them.
    """
    codes = column.codes
    found: list[NDArray[np.int64]] = []
    seen = np.zeros(column.stored.entry.values + 1, dtype=np.bool_)
    count, start, size = 0, 0, max(256, 2 * most)
    while start < len(rows) and count < most:  # a piece at a time: the head of a long list is mostly enough
        piece = rows[start : start + size]
        of_piece = codes[piece]
        _, first = np.unique(of_piece, return_index=True)
        begins = of_piece == NO_VALUE
        begins[first] = True
        begins &= (piece != PADDING_ROW) & ((of_piece == NO_VALUE) | ~seen[of_piece])
        seen[of_piece] = True
        places = np.flatnonzero(begins)
        found.append(places + start)
        count += len(places)
        start, size = start + size, 2 * size
    return np.concatenate([np.zeros(0, dtype=np.int64), *found])[:most]


def grouped(candidates: Candidates, groupings: Sequence[Grouping | None], again: Again) -> Candidates:
    """The candidates with the best item of each group, as many groups as wanted wherever there are so many.

    Where the candidates hold too few groups, those of the other groups are asked for, and follow.

    Args:
        candidates: of all requests, best first.
        groupings: of each request, None for one that wants no groups.
        again: answers some of the requests once more.
    """
    lines = [line for line, each in enumerate(groupings) if each is not None]
    lists = {line: _Chosen(candidates, line, _of(groupings, line)) for line in lines}
    missing = [line for line in lines if lists[line].is_short()]
    while missing:
        masks = np.stack([lists[line].left() for line in missing])
        further = again(np.array(missing), masks)
        for place, line in enumerate(missing):
            lists[line].add(further, place)
        missing = [line for line in missing if lists[line].is_short()]
    for line in lines:
        candidates = candidates.with_lines(np.array([line]), *lists[line].arrays())
    return candidates


def _of(groupings: Sequence[Grouping | None], line: int) -> Grouping:
    found = groupings[line]
    assert found is not None  # noqa: S101 - only such lines are grouped
    return found


class _Chosen:
    """The best items of the groups of one request, so far."""

    def __init__(self, candidates: Candidates, line: int, grouping: Grouping) -> None:
        self._grouping = grouping
        self._wanted = min(grouping.wanted, grouping.count())
        self._rows = np.zeros(0, dtype=np.int64)
        self._scores = np.zeros(0, dtype=np.float32)
        self._sources = np.zeros(0, dtype=np.uint8)
        self.add(candidates, line)

    def is_short(self) -> bool:
        return len(self._rows) < self._wanted

    def left(self) -> NDArray[np.bool_]:
        return self._grouping.without(self._rows)

    def add(self, candidates: Candidates, line: int) -> None:
        """Add those of groups that are not there yet; scores go on falling."""
        rows = candidates.rows[line]
        places = first_of_groups(rows, self._grouping.column, self._wanted - len(self._rows))
        scores = candidates.scores[line, places]
        if len(self._scores):
            scores = np.minimum(scores, self._scores[-1])
        self._rows = np.concatenate([self._rows, rows[places]])
        self._scores = np.concatenate([self._scores, scores])
        self._sources = np.concatenate([self._sources, candidates.sources[line, places]])

    def arrays(self) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.uint8]]:
        return self._rows[None], self._scores[None], self._sources[None]
