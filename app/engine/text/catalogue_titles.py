"""The titles of a catalogue as a query looks at them: which of its words stand at which place, and whole titles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.artifact.text.titles import TitleTable, title_hash
from app.artifact.text.words import Word
from app.engine.text.lexical_field import LexicalField
from app.engine.text.live_rows import LiveRows, merged_rows
from app.engine.text.postings import term_hash

PlacedBits = tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.uint32]]
"""For every place of a title with any word of a query: where the item is among those asked for, the place, and a bit
for each word."""


@dataclass(frozen=True, eq=False)
class QueryTerms:
    """The terms of a query as some titles name them, with a bit for each word that a term belongs to."""

    terms: NDArray[np.int32] | NDArray[np.uint64]  # ascending
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

    terms: NDArray[np.int32] | NDArray[np.uint64]  # [entries]
    places: NDArray[np.uint8]  # [entries]
    offsets: NDArray[np.int64]  # [titles + 1]

    def words_at(self, titles: NDArray[np.int64], query: QueryTerms) -> PlacedBits:
        """Where the words of a query stand in some of the titles."""
        starts, stops = self.offsets[titles], self.offsets[titles + 1]
        lengths = stops - starts
        lines = np.repeat(np.arange(len(titles)), lengths)
        if not len(lines) or not len(query.terms):
            return lines[:0], self.places[:0], query.bits[:0]
        ends = np.cumsum(lengths)
        entries = np.arange(int(ends[-1])) + np.repeat(starts - (ends - lengths), lengths)
        terms = self.terms[entries]
        position = np.minimum(np.searchsorted(query.terms, terms), len(query.terms) - 1)
        is_known = np.flatnonzero(query.terms[position] == terms)
        return lines[is_known], self.places[entries[is_known]], query.bits[position[is_known]]


@dataclass(frozen=True, eq=False)
class CatalogueTitles:
    """The titles of a bundle."""

    table: TitleTable
    field: LexicalField  # whose vocabulary numbers their terms

    def rows_of(self, words: Sequence[Word]) -> NDArray[np.int32]:
        """The rows of the items whose whole title is these words, ascending."""
        return self.table.rows_of(title_hash(words))

    def terms_of(self, bits: Mapping[str, int]) -> tuple[QueryTerms, ...]:
        """The terms of a query as `words_at` takes them; `bits` has one for each word that a term belongs to."""
        numbers = {} if self.field.index is None else self.field.index.vocab_dict
        return (QueryTerms.of({numbers[term]: bits[term] for term in bits if term in numbers}, np.int32),)

    def words_at(self, rows: NDArray[np.int64], query: Sequence[QueryTerms]) -> PlacedBits:
        """Where the words of a query stand in the titles of the items in `rows`."""
        return PlacedTitles(self.table.terms, self.table.places, self.table.offsets).words_at(rows, query[0])


@dataclass(frozen=True, eq=False)
class TitleTier:
    """The titles of one tier."""

    placed: PlacedTitles  # [documents], terms by their hashes
    hashes: NDArray[np.uint64]  # [documents] of `title_hash`


@dataclass(frozen=True, eq=False)
class LiveTitles(CatalogueTitles):
    """The titles of all items as they are now."""

    live: LiveRows
    tiers: tuple[TitleTier, ...]

    def rows_of(self, words: Sequence[Word]) -> NDArray[np.int32]:
        """The rows of the items whose whole title is these words, ascending."""
        key = title_hash(words)
        parts = [self.live.of_base(self.table.rows_of(key))]
        for tier, rows in zip(self.tiers, self.live.tiers, strict=True):
            parts.append(rows.rows[rows.is_alive & (tier.hashes == np.uint64(key)) & (key != 0)])
        return merged_rows(parts)

    def terms_of(self, bits: Mapping[str, int]) -> tuple[QueryTerms, ...]:
        """As those of a bundle, and behind them by their hashes."""
        hashed = QueryTerms.of({term_hash(term): bits[term] for term in bits}, np.uint64)
        return (*super().terms_of(bits), hashed)

    def words_at(self, rows: NDArray[np.int64], query: Sequence[QueryTerms]) -> PlacedBits:
        """Where the words of a query stand in the titles of the items in `rows`."""
        in_base = np.flatnonzero(self.live.in_base[rows] & (rows < len(self.table.offsets) - 1))
        lines, places, bits = super().words_at(rows[in_base], query)
        parts = [(in_base[lines], places, bits)]
        for tier, of_tier in zip(self.tiers, self.live.tiers, strict=True):
            there, documents = of_tier.find(rows)
            if len(there):
                lines, places, bits = tier.placed.words_at(documents, query[-1])
                parts.append((there[lines], places, bits))
        lines, places, bits = (np.concatenate([part[column] for part in parts]) for column in range(3))
        return lines, places, bits
