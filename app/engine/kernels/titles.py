"""How the words of a query stand in the titles of some items."""

import ctypes
from collections.abc import Mapping
from ctypes import byref, c_int64, c_void_p
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.engine.kernels.library import address, contiguous, library

Terms = NDArray[np.int32] | NDArray[np.uint64]
"""Terms by their numbers in a vocabulary, or by their hashes."""


class _Titles(ctypes.Structure):
    _fields_ = (
        *((name, c_void_p) for name in ("terms", "places", "offsets")),
        *((name, c_int64) for name in ("count", "entries", "is_hashed")),
    )


@dataclass(frozen=True, eq=False)
class QueryTerms:
    """The terms of a query as some titles name them, with a bit for each word that a term belongs to."""

    terms: Terms  # ascending
    bits: NDArray[np.uint32]

    @classmethod
    def of(cls, bits: Mapping[int, int], dtype: type[np.int32] | type[np.uint64]) -> "QueryTerms":
        """Those of the bits of each term, by its number."""
        terms = sorted(bits)
        numbers = np.array(terms, dtype=np.uint64)
        of_terms = np.array([bits[term] for term in terms], dtype=np.uint32)
        return cls(numbers if dtype is np.uint64 else numbers.astype(np.int32), of_terms)


@dataclass(frozen=True, eq=False)
class PlacedTitles:
    """Some titles, each with the terms at its places, and behind a gap those of its brand."""

    terms: Terms  # [entries]
    places: NDArray[np.uint8]  # [entries]
    offsets: NDArray[np.int64]  # [titles + 1]

    @cached_property
    def readable(self) -> tuple[_Titles, tuple[NDArray[Any], ...]]:
        """The titles as the kernel reads them, and the arrays that it points into."""
        is_hashed = self.terms.dtype == np.uint64
        arrays: tuple[NDArray[Any], ...] = (
            contiguous(self.terms, np.uint64 if is_hashed else np.int32),
            contiguous(self.places, np.uint8),
            contiguous(self.offsets, np.int64),
        )
        return _Titles(
            *map(address, arrays), len(self.offsets) - 1, min(len(self.terms), len(self.places)), is_hashed
        ), arrays


@dataclass(frozen=True, eq=False)
class TitleFeatures:
    """What is said of the titles of some items."""

    share: NDArray[np.float32]  # [items] of the query's words that title and brand have, rare words weighing more
    in_order: NDArray[np.float32]  # [items] of its pairs of neighbouring words, those that stand side by side in order

    @classmethod
    def of_none(cls, items: int) -> "TitleFeatures":
        """Those of items whose titles have no word of the query."""
        return cls(np.zeros(items, dtype=np.float32), np.zeros(items, dtype=np.float32))

    def write(
        self,
        titles: PlacedTitles,
        numbers: NDArray[np.int64],
        lines: NDArray[np.int64],
        query: QueryTerms,
        weights: NDArray[np.float32],
    ) -> None:
        """Write what is said of some titles.

        Args:
            titles: where they stand.
            numbers: `[n]`, which of them.
            lines: `[n]`, the places of their items here.
            query: its terms, named as those of `titles`.
            weights: `[words]`, how rare each word of the query is; at most 32.
        """
        compiled = library()
        if compiled is None:
            self.numpy_write(titles, numbers, lines, query, weights)
            return
        readable, _ = titles.readable
        terms = contiguous(query.terms, np.uint64 if readable.is_hashed else np.int32)
        numbers, lines = contiguous(numbers, np.int64), contiguous(lines, np.int64)
        if not compiled.title_features(
            *(byref(readable), address(numbers), address(lines), len(numbers), address(terms), address(query.bits)),
            *(len(terms), address(weights), len(weights), address(self.share), address(self.in_order)),
        ):
            raise IndexError(f"expected titles below {readable.count}, got others")

    def numpy_write(
        self,
        titles: PlacedTitles,
        numbers: NDArray[np.int64],
        lines: NDArray[np.int64],
        query: QueryTerms,
        weights: NDArray[np.float32],
    ) -> None:
        """As `write`, by NumPy."""
        bits = _bits_of_places(titles, numbers, query)
        in_name = np.bitwise_or.reduce(bits, axis=1)
        share = np.zeros(len(numbers), dtype=np.float32)
        for word, weight in enumerate(weights.tolist()):
            share += np.float32(weight) * ((in_name >> np.uint32(word)) & np.uint32(1)).astype(np.float32)
        following = bits.copy()
        following[:, :-1] |= bits[:, 1:]
        pairs = np.bitwise_or.reduce(bits & (following >> np.uint32(1)), axis=1)
        self.share[lines] = np.minimum(share, np.float32(1.0))
        self.in_order[lines] = np.bitwise_count(pairs).astype(np.float32) / np.float32(max(1, len(weights) - 1))


def _bits_of_places(titles: PlacedTitles, numbers: NDArray[np.int64], query: QueryTerms) -> NDArray[np.uint32]:
    """`[titles, places]`, the words that stand at each place of each title."""
    starts, stops = titles.offsets[numbers], titles.offsets[numbers + 1]
    lengths = stops - starts
    lines = np.repeat(np.arange(len(numbers)), lengths)
    if not len(lines) or not len(query.terms):
        return np.zeros((len(numbers), 1), dtype=np.uint32)
    ends = np.cumsum(lengths)
    entries = np.arange(int(ends[-1])) + np.repeat(starts - (ends - lengths), lengths)
    terms, places = titles.terms[entries], titles.places[entries]
    position = np.minimum(np.searchsorted(query.terms, terms), len(query.terms) - 1)
    is_known = np.flatnonzero(query.terms[position] == terms)
    bits = np.zeros((len(numbers), int(places.max(initial=0)) + 1), dtype=np.uint32)
    np.bitwise_or.at(bits, (lines[is_known], places[is_known]), query.bits[position[is_known]])
    return bits
