"""How well every item matches the words of a query: sums over postings, and the items that have all of it."""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.engine.kernels.library import address, contiguous, library

_TEXT_COLUMNS: Final = 3


class Column(IntEnum):
    """What is known of every item, `[rows]` each."""

    MAIN = 0  # BM25 of the texts as one, relative to the best of the catalogue, and so are the next two
    TITLE = 1
    ATTRIBUTES = 2
    COVERAGE = 3  # the share of the query's words that an item has
    EXACT = 4
    SAID = 5  # how much of what a query says an item has; no part of the outcome


class Kind(IntEnum):
    """What is done to the rows of a column."""

    SCORES = 0  # the factor times the score of each is added
    CONSTANT = 1  # the factor is added
    SET = 2  # the factor takes the place of what is there
    MARK = 3  # the factor is added to `SAID`, and the rows have something of the query
    CLEAR = 4  # 0 takes the place of what is there


class Addend(NamedTuple):
    """Some rows of a column, each once."""

    column: Column
    kind: Kind
    places: NDArray[np.int32]  # [n]
    scores: NDArray[np.float32] | None  # [n] for `SCORES`
    factor: float
    shift: int = 0  # from a place to its row
    begins: tuple[int, int] | None = None  # the addresses of places and scores, where they are known


@dataclass(frozen=True)
class Query:
    """What the sums of a query are compared with."""

    total: float  # of `COVERAGE`, for an item that has all words
    said_total: float  # of `SAID`, for an item that has all that the query says
    all_of: float  # the share of it from which on an item has all of it
    something: float  # what is too little, where there is more to say
    rounding: float  # by which sums may differ
    has_unknown: bool  # whether the query says something that no item has
    words: Sequence[NDArray[np.int32]]  # the rows of each word


Gains = tuple[NDArray[np.int32], NDArray[np.float32]]
"""Ascending rows, and what each gets."""


@dataclass(frozen=True, eq=False)
class RowColumns:
    """Numbers of some items, 0 for all others."""

    rows: NDArray[np.int32]  # [n] ascending
    columns: NDArray[np.float32]  # [columns but SAID, n]

    def of(self, column: Column) -> NDArray[np.float32]:
        """`[n]`, one column."""
        of_rows: NDArray[np.float32] = self.columns[column]
        return of_rows

    def write(self, rows: NDArray[np.int64], out: NDArray[np.float32]) -> None:
        """Write the columns of other rows, `[columns but SAID, rows]`, into an array whose rows have no gaps."""
        compiled = library()
        if compiled is None or out.strides[1] != out.itemsize:
            out[:] = self.numpy_columns(rows)
            return
        if out.shape != (len(self.columns), len(rows)):
            raise IndexError(f"expected {len(self.columns)} columns of {len(rows)} rows, got {out.shape}")
        numbers = contiguous(rows, np.int64)
        compiled.columns_of_rows(
            *(address(self.rows), len(self.rows), address(self.columns), address(numbers), len(numbers)),
            *(out.__array_interface__["data"][0], out.strides[0] // out.itemsize),
        )

    def best(
        self, allowed: NDArray[np.bool_], weights: Mapping[Column, float], gains: Gains, k: int
    ) -> NDArray[np.int64]:
        """The `k` rows whose columns have the largest sum, ascending, the lower one of equal ones.

        Args:
            allowed: `[rows of the catalogue]`; those that have a word of the query and are allowed count.
            weights: of columns, summed in this order, one at least.
            gains: what some rows get beside.
            k: all of them where they are not more.

        Raises:
            IndexError: `allowed` is too short.
        """
        compiled = library()
        if compiled is None:
            return self.numpy_best(allowed, weights, gains, k)
        count = len(self.rows)
        if count and int(self.rows[-1]) >= len(allowed):
            raise IndexError(f"expected a mask of more than {self.rows[-1]} rows, got one of {len(allowed)}")
        summed, factors = array("q", weights), array("f", weights.values())
        allowed = contiguous(allowed, np.bool_)
        named, values = contiguous(gains[0], np.int32), contiguous(gains[1], np.float32)
        best, scratch = np.empty(count + 1, dtype=np.int64), np.empty(count, dtype=np.uint32)
        count_of_best = compiled.best_rows_by_words(
            *(address(self.rows), count, address(self.columns), address(allowed)),
            *(summed.buffer_info()[0], factors.buffer_info()[0], len(summed)),
            *(address(named), address(values), len(named), k, address(best), address(scratch)),
        )
        return best[:count_of_best]

    def numpy_best(
        self, allowed: NDArray[np.bool_], weights: Mapping[Column, float], gains: Gains, k: int
    ) -> NDArray[np.int64]:
        """As `best`, by NumPy."""
        place = np.flatnonzero((self.of(Column.COVERAGE) > 0) & allowed[self.rows])
        rows = self.rows[place].astype(np.int64)
        if len(rows) <= k:
            return rows
        total: NDArray[np.float32] | None = None
        for column, weight in weights.items():
            addend = np.float32(weight) * self.columns[column, place]
            total = addend if total is None else total + addend
        assert total is not None  # noqa: S101 - there is a weight
        of_rows = np.zeros(len(rows), dtype=np.float32)
        named, values = gains
        if len(named):
            position = np.minimum(np.searchsorted(named, rows), len(named) - 1)
            of_rows = np.where(named[position] == rows, values[position], of_rows)
        return np.asarray(np.sort(rows[np.lexsort((rows, -(total + of_rows)))[:k]]))

    def numpy_columns(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """What `write` writes, by NumPy."""
        columns = np.zeros((len(self.columns), len(rows)), dtype=np.float32)
        if len(self.rows):
            place = np.minimum(np.searchsorted(self.rows, rows), len(self.rows) - 1)
            is_there = np.flatnonzero(self.rows[place] == rows)
            columns[:, is_there] = self.columns[:, place[is_there]]
        return columns


@dataclass(frozen=True, eq=False)
class WordMatch:
    """How well every item matches a query."""

    columns: RowColumns
    hits: NDArray[np.bool_]  # [rows] the allowed items that have all of the query, or as much of it as any item has
    has_hit: NDArray[np.bool_]  # [words] whether any of the hits has it
    best_coverage: float


def match_words(addends: Sequence[Addend], query: Query, allowed: NDArray[np.bool_]) -> WordMatch:
    """Sum `addends` in their order, and find the items that have all of the query, or most of it.

    Args:
        addends: in whose rows `Column.SAID` is marked.
        query: what is said, and how much.
        allowed: `[rows]`, the items that may be found at all.
    """
    compiled = library()
    if compiled is None:
        return numpy_match(addends, query, allowed)
    rows = len(allowed)
    read, factors = _read(addends)
    read_at = read.buffer_info()[0]
    most = min(rows, sum(len(addend.places) for addend in addends))
    touched, is_touched = np.empty(most, dtype=np.int32), np.empty(rows // 64 + 1, dtype=np.uint64)
    before = np.empty(len(is_touched), dtype=np.int32)
    bits = address(is_touched), address(before)
    count = compiled.touched_rows(read_at, len(addends), rows, address(touched), *bits)
    if count < 0:
        raise IndexError(f"expected places of {rows} rows, got others")
    allowed = contiguous(allowed, np.bool_)
    words = [contiguous(of_word, np.int32) for of_word in query.words]
    of_words = _rows_read(words)
    columns, marked = np.empty((len(Column), count), dtype=np.float32), np.empty(count, dtype=np.bool_)
    hits, has_hit = np.empty(rows, dtype=np.bool_), np.empty(len(words), dtype=np.bool_)
    best = compiled.match_words(
        *(read_at, factors.buffer_info()[0], len(addends), rows, address(touched), count, *bits),
        *(address(columns), address(marked), query.total, query.said_total, query.all_of, query.something),
        *(query.rounding, query.has_unknown, address(allowed), address(hits)),
        *(of_words.buffer_info()[0], len(words), address(has_hit)),
    )
    return WordMatch(RowColumns(touched[:count].copy(), columns[: Column.SAID]), hits, has_hit, best)


def sum_postings(addends: Sequence[Addend], rows: int) -> NDArray[np.float32]:
    """The sum `[rows]` of addends of one column, in their order."""
    compiled = library()
    if compiled is None:
        return numpy_sum(addends, rows)
    read, factors = _read(addends)
    column = np.empty(rows, dtype=np.float32)
    if not compiled.sum_postings(read.buffer_info()[0], factors.buffer_info()[0], len(addends), rows, address(column)):
        raise IndexError(f"expected places of {rows} rows, got others")
    return column


def rows_in_any(parts: Sequence[NDArray[np.int32]], rows: int) -> NDArray[np.int32]:
    """The rows that are in any of some parts, ascending and once each; there are `rows`."""
    compiled = library()
    if compiled is None:
        return numpy_rows_in_any(parts, rows)
    parts = [contiguous(part, np.int32) for part in parts]
    merged = np.empty(min(rows, sum(map(len, parts))), dtype=np.int32)
    scratch = np.empty(rows // 64 + 1, dtype=np.uint64)
    read = _rows_read(parts)
    count = compiled.rows_in_any(read.buffer_info()[0], len(parts), rows, address(merged), address(scratch))
    if count < 0:
        raise IndexError(f"expected rows below {rows}, got others")
    return merged[:count]


def _read(addends: Sequence[Addend]) -> "tuple[array[int], array[float]]":
    """Addends as the kernels read them, and their factors; the arrays of `addends` have to live as long."""
    fields = array("q")
    for column, kind, places, scores, _, shift, begins in addends:
        of_places, of_scores = begins or (address(places), 0 if scores is None else address(scores))
        fields.extend((of_places, of_scores, len(places), shift, column, kind))
    return fields, array("f", [addend.factor for addend in addends])


def _rows_read(parts: Sequence[NDArray[np.int32]]) -> "array[int]":
    return array("q", [number for part in parts for number in (address(part), len(part))])


def numpy_match(addends: Sequence[Addend], query: Query, allowed: NDArray[np.bool_]) -> WordMatch:
    """As `match_words`, by NumPy."""
    rows = len(allowed)
    columns = np.zeros((len(Column), rows), dtype=np.float32)
    is_any, is_touched = np.zeros(rows, dtype=np.bool_), np.zeros(rows, dtype=np.bool_)
    for addend in addends:
        _add(columns[addend.column], addend)
        if addend.kind != Kind.CLEAR:
            is_touched[addend.places + addend.shift] = True
        if addend.kind == Kind.MARK:
            is_any[addend.places + addend.shift] = True
    for place in range(_TEXT_COLUMNS):
        best = columns[place].max(initial=0.0)
        if best > 0:
            columns[place] /= best
    coverage = columns[Column.COVERAGE]
    np.minimum(coverage / np.float32(query.total), np.float32(1.0), out=coverage)
    said = np.where(allowed, columns[Column.SAID], np.float32(0.0))
    most_said = float(said.max(initial=0.0))
    if most_said <= query.something and (query.has_unknown or query.said_total > query.something):
        hits = np.zeros(rows, dtype=np.bool_)
    else:
        all_of_it = query.all_of * query.said_total
        least = all_of_it if most_said >= all_of_it else most_said
        hits = (said >= np.float32(least - query.rounding)) & is_any & allowed
    has_hit = np.array([bool(hits[of_word].any()) for of_word in query.words], dtype=np.bool_)
    touched = np.flatnonzero(is_touched).astype(np.int32)
    of_touched = RowColumns(touched, columns[: Column.SAID, touched])
    return WordMatch(of_touched, hits, has_hit, float(coverage.max(initial=0.0)))


def numpy_sum(addends: Sequence[Addend], rows: int) -> NDArray[np.float32]:
    """As `sum_postings`, by NumPy."""
    column = np.zeros(rows, dtype=np.float32)
    for addend in addends:
        _add(column, addend)
    return column


def numpy_rows_in_any(parts: Sequence[NDArray[np.int32]], rows: int) -> NDArray[np.int32]:
    """As `rows_in_any`, by NumPy."""
    is_in = np.zeros(rows, dtype=np.bool_)  # faster than sorting what may be half of the catalogue
    for part in parts:
        is_in[part] = True
    return np.flatnonzero(is_in).astype(np.int32)


def _add(column: NDArray[np.float32], addend: Addend) -> None:
    target, factor = column[addend.shift :], np.float32(addend.factor)
    if addend.kind in {Kind.SET, Kind.CLEAR}:
        target[addend.places] = factor if addend.kind == Kind.SET else np.float32(0.0)
    elif addend.scores is not None:
        target[addend.places] += factor * addend.scores
    else:
        target[addend.places] += factor
