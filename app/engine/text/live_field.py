"""A field of the lexical index over a bundle and live tiers: document frequencies are those of all of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.engine.kernels.words import Addend, Column, Kind
from app.engine.text.item_terms import K1, B
from app.engine.text.lexical_field import LexicalField
from app.engine.text.live_rows import LiveRows, merged_rows
from app.engine.text.postings import Postings, term_hash
from app.engine.text.term_memory import TermMemory, TermRows

_SAMPLE: Final = 512  # documents by which the average length is found out
_NO_ROWS: Final = np.zeros(0, dtype=np.int32)
_NO_WEIGHTS: Final = np.zeros(0, dtype=np.float32)
_USUAL_LENGTH: Final = 8.0  # of a text, where no item of the bundle has one


@dataclass(frozen=True, eq=False)
class FieldTier:
    """One tier of a field."""

    postings: Postings
    lengths: NDArray[np.int32]  # [documents] in terms


@dataclass(frozen=True, slots=True, eq=False)
class _Term:
    """One term as of now."""

    places: TermRows
    idf: float  # 0 where no item has it


@dataclass(frozen=True)
class LiveField(LexicalField):
    """As `LexicalField`, for the items as they are now.

    The average length is that of the bundle, a constant, so that a change of one item moves no other by its length.
    """

    live: LiveRows
    tiers: tuple[FieldTier, ...]
    average: float  # length
    documents: int  # of bundle and tiers that are alive
    memory: TermMemory  # of all views
    view: int  # the number of this one

    def has(self, term: str) -> bool:
        """Whether any item has the term."""
        return self._read(term).idf > 0

    def rows_of(self, term: str) -> NDArray[np.int32]:
        """The rows of the items that have a term, ascending."""
        return self._read(term).places.rows

    def addends(self, weighted: Sequence[tuple[str, float]], column: Column) -> list[Addend]:
        """What `scores` sums, as addends of a column."""
        known = [(self._read(term), weight) for term, weight in weighted]
        known = [(term, weight) for term, weight in known if term.idf]
        addends = []
        for term, weight in known:
            base = term.places.base
            if base.stop > base.start:
                addends.append(self._addend(base, weight * self._growth(term), column))
        if addends and len(self.live.superseded):
            addends.append(Addend(column, Kind.CLEAR, self.live.superseded, None, 0.0))
        for term, weight in known:
            if len(term.places.tier_rows):
                rows, weights = term.places.tier_rows, term.places.tier_weights
                addends.append(Addend(column, Kind.SCORES, rows, weights, weight * term.idf))
        return addends

    def postings(self, term: str) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """The rows of the items that have a term, and the score of each."""
        rows, scores = super().postings(term)
        in_base = self.live.in_base[rows]
        of_now = self._read(term)
        return (
            np.concatenate([rows[in_base], of_now.places.tier_rows]),
            np.concatenate(
                [
                    np.float32(self._growth(of_now)) * scores[in_base],
                    np.float32(of_now.idf) * of_now.places.tier_weights,
                ]
            ),
        )

    def _growth(self, term: _Term) -> float:
        """How many times what it is in the bundle the rarity of a term is now."""
        size = term.places.base.stop - term.places.base.start
        return term.idf / _idf(size, self._base_documents) if size else 1.0

    @property
    def _base_documents(self) -> int:
        return 0 if self.index is None else int(self.index.scores["num_docs"])

    def _read(self, term: str) -> _Term:
        """The term as of now, which is kept."""
        key = term_hash(term)
        places = self.memory.get(term, key, self.view)
        if places is None:
            places = self._find(term, key)
            self.memory.keep(term, self.view, places)
        return _Term(places, _idf(len(places.rows), self.documents) if len(places.rows) else 0.0)

    def _find(self, term: str, key: int) -> TermRows:
        rows, weights = [_NO_ROWS], [_NO_WEIGHTS]
        for tier, of_tier in zip(self.tiers, self.live.tiers, strict=True):
            part = tier.postings.find(key)
            if part.stop > part.start:
                documents = tier.postings.documents[part]
                alive = of_tier.is_alive[documents]
                documents, counts = documents[alive], tier.postings.counts[part][alive].astype(np.float64)
                norms = K1 * ((1.0 - B) + B * tier.lengths[documents] / self.average)
                rows.append(of_tier.rows[documents])
                weights.append((counts / (norms + counts)).astype(np.float32))
        of_base = self.live.of_base(super().rows_of(term))
        all_rows = merged_rows([of_base, *rows])
        return TermRows(all_rows, self._part_of(term), np.concatenate(rows), np.concatenate(weights))


def _idf(count: int, documents: int) -> float:
    """As the index counts it: what a term says that so many of the documents have."""
    return log(1.0 + (max(documents, count) - count + 0.5) / (count + 0.5))


def average_length(base: LexicalField) -> float:
    """The average length of a bundle's field in terms, as its index has used it.

    An index stores scores alone. Divided by the rarity of the term they are `count / (norm + count)`, where the norm is
    one number a document: most terms of a text stand in it once, so that the least of these quotients gives the norm,
    the norm the count of each term, their sum the length of the document, and norm and length the average.
    """
    if base.index is None:
        return _USUAL_LENGTH
    sparse = base.index.scores
    offsets, indices = sparse["indptr"], sparse["indices"]
    documents = int(sparse["num_docs"])
    entries = np.flatnonzero(indices < _SAMPLE)
    owners = indices[entries]
    terms = np.searchsorted(offsets, entries, side="right") - 1
    counts = np.diff(offsets)[terms].astype(np.float64)
    rarity = np.log(1.0 + (documents - counts + 0.5) / (counts + 0.5))
    quotients = np.clip(sparse["data"][entries].astype(np.float64) / rarity, 1e-9, 1.0 - 1e-9)
    least = np.ones(_SAMPLE)
    np.minimum.at(least, owners, quotients)
    norms = 1.0 / least[owners] - 1.0
    times = np.rint(norms * quotients / (1.0 - quotients))
    lengths = np.bincount(owners, weights=times, minlength=_SAMPLE)
    with_words = np.unique(owners)
    rest = (1.0 / least[with_words] - 1.0) / K1 - (1.0 - B)
    rest, lengths = rest[rest > 0], lengths[with_words][rest > 0]
    return float(np.median(B * lengths / rest)) if len(rest) else _USUAL_LENGTH
