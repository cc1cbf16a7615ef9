"""The titles of a catalogue as a query looks at them: which of its words stand at which place, and whole titles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from app.artifact.text.titles import TitleTable, title_hash
from app.artifact.text.words import Word
from app.engine.kernels.titles import PlacedTitles, QueryTerms, TitleFeatures
from app.engine.text.lexical_field import LexicalField
from app.engine.text.live_rows import LiveRows, merged_rows
from app.engine.text.postings import term_hash


@dataclass(frozen=True, eq=False)
class CatalogueTitles:
    """The titles of a bundle."""

    table: TitleTable
    field: LexicalField  # whose vocabulary numbers their terms

    def rows_of(self, words: Sequence[Word]) -> NDArray[np.int32]:
        """The rows of the items whose whole title is these words, ascending."""
        return self.table.rows_of(title_hash(words))

    def terms_of(self, bits: Mapping[str, int]) -> tuple[QueryTerms, ...]:
        """The terms of a query as `features` takes them; `bits` has one for each word that a term belongs to."""
        numbers = {} if self.field.index is None else self.field.index.vocab_dict
        return (QueryTerms.of({numbers[term]: bits[term] for term in bits if term in numbers}, np.int32),)

    def features(
        self, rows: NDArray[np.int64], query: Sequence[QueryTerms], weights: NDArray[np.float32]
    ) -> TitleFeatures:
        """How the words of a query stand in the titles of the items in `rows`; `weights` has one for each word."""
        features = TitleFeatures.of_none(len(rows))
        features.write(self._placed, rows, np.arange(len(rows)), query[0], weights)
        return features

    @cached_property
    def _placed(self) -> PlacedTitles:
        return PlacedTitles(self.table.terms, self.table.places, self.table.offsets)


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

    def features(
        self, rows: NDArray[np.int64], query: Sequence[QueryTerms], weights: NDArray[np.float32]
    ) -> TitleFeatures:
        """How the words of a query stand in the titles of the items in `rows`; `weights` has one for each word."""
        features = TitleFeatures.of_none(len(rows))
        in_base = np.flatnonzero(self.live.in_base[rows] & (rows < len(self.table.offsets) - 1))
        features.write(self._placed, rows[in_base], in_base, query[0], weights)
        for tier, of_tier in zip(self.tiers, self.live.tiers, strict=True):
            there, documents = of_tier.find(rows)
            if len(there):
                features.write(tier.placed, documents, there, query[-1], weights)
        return features
