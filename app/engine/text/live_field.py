"""A field of the lexical index over a bundle and live tiers: document frequencies are those of all of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import log
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.engine.text.item_terms import K1, B
from app.engine.text.lexical_field import LexicalField
from app.engine.text.live_rows import LiveRows, merged_rows
from app.engine.text.postings import Postings, term_hash

_SAMPLE: Final = 512  # documents by which the average length is found out
_USUAL_LENGTH: Final = 8.0  # of a text, where no item of the bundle has one


@dataclass(frozen=True, eq=False)
class FieldTier:
    """One tier of a field."""

    postings: Postings
    lengths: NDArray[np.int32]  # [documents] in terms


@dataclass(frozen=True)
class LiveField(LexicalField):
    """As `LexicalField`, for the items as they are now.

    The average length is that of the bundle, a constant, so that a change of one item moves no other by its length.
    """

    live: LiveRows
    tiers: tuple[FieldTier, ...]
    average: float  # length
    documents: int  # of all tiers that are alive
    _rarities: dict[str, float] = field(default_factory=dict, repr=False)

    def has(self, term: str) -> bool:
        """Whether any item has the term."""
        return self._rarity(term) > 0

    def rows_of(self, term: str) -> NDArray[np.int32]:
        """The rows of the items that have a term, ascending."""
        parts = [self.live.of_base(super().rows_of(term))]
        for tier, rows in zip(self.tiers, self.live.tiers, strict=True):
            documents = tier.postings.documents[tier.postings.find(term_hash(term))]
            parts.append(rows.rows[documents[rows.is_alive[documents]]])
        return merged_rows(parts)

    def scores(self, weighted: Sequence[tuple[str, float]]) -> NDArray[np.float32]:
        """Weighted sums of BM25 over terms, `[rows]`; terms that no item has add nothing."""
        total = np.zeros(self.rows, dtype=np.float32)
        known = [(term, weight) for term, weight in weighted if self.has(term)]
        for weight in dict.fromkeys(weight for _, weight in known):
            terms = [term for term, term_weight in known if term_weight == weight]
            part = np.zeros(self.rows, dtype=np.float32)
            for term in terms:
                rows, scores = self._of_base(term)
                part[rows] += scores
            part[self.live.superseded] = 0.0
            for term in terms:
                for rows, scores in self._of_tiers(term):
                    part[rows] += scores
            total += np.float32(weight) * part
        return total

    def postings(self, term: str) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """The rows of the items that have a term, and the score of each."""
        rows, scores = self._of_base(term)
        in_base = self.live.in_base[rows]
        parts = [(rows[in_base], scores[in_base]), *self._of_tiers(term)]
        return np.concatenate([rows for rows, _ in parts]), np.concatenate([scores for _, scores in parts])

    def _of_base(self, term: str) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """The rows of the bundle that have a term, superseded ones among them, and their scores as of now."""
        rows, scores = super().postings(term)
        is_now = self._rarity(term)
        was = _idf(len(rows), self._base_documents) if len(rows) else 1.0
        return rows, scores if is_now == was else scores * np.float32(is_now / was)

    def _of_tiers(self, term: str) -> list[tuple[NDArray[np.int32], NDArray[np.float32]]]:
        parts = []
        idf = self._rarity(term)
        for tier, rows in zip(self.tiers, self.live.tiers, strict=True):
            part = tier.postings.find(term_hash(term))
            documents = tier.postings.documents[part]
            if len(documents):
                alive = rows.is_alive[documents]
                documents = documents[alive]
                counts = tier.postings.counts[part][alive].astype(np.float64)
                norms = K1 * ((1.0 - B) + B * tier.lengths[documents] / self.average)
                parts.append((rows.rows[documents], (idf * counts / (norms + counts)).astype(np.float32)))
        return parts

    @property
    def _base_documents(self) -> int:
        return 0 if self.index is None else int(self.index.scores["num_docs"])

    def _rarity(self, term: str) -> float:
        """The inverse document frequency of a term, 0 for one that no item has."""
        known = self._rarities.get(term)
        if known is None:
            count = self._count(term)
            known = self._rarities[term] = _idf(count, self.documents) if count else 0.0
        return known

    def _count(self, term: str) -> int:
        """How many items have a term."""
        count = len(self.live.of_base(super().rows_of(term)))
        key = term_hash(term)
        for tier, rows in zip(self.tiers, self.live.tiers, strict=True):
            count += int(np.count_nonzero(rows.is_alive[tier.postings.documents[tier.postings.find(key)]]))
        return count


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
