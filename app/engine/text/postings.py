"""Postings of live documents: which of some documents have a term, how often, by the hash of the term."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from app.artifact.columns import offsets_of
from app.artifact.hashing import places_of, stable_hash

term_hash = lru_cache(maxsize=65_536)(stable_hash)
"""The hash by which a term is looked up."""


@dataclass(frozen=True, slots=True, eq=False)
class TermCounts:
    """The distinct terms of one text, by their hashes, and how often it has each."""

    terms: NDArray[np.uint64]  # [terms]
    counts: NDArray[np.uint16]  # [terms]
    length: int  # of the text, in terms

    @classmethod
    def of(cls, counts: dict[str, int], length: int) -> "TermCounts":
        """Those of a text with these terms."""
        hashes = np.fromiter(map(term_hash, counts), dtype=np.uint64, count=len(counts))
        most = (min(count, 65_535) for count in counts.values())
        return cls(hashes, np.fromiter(most, dtype=np.uint16, count=len(counts)), length)


@dataclass(frozen=True, eq=False)
class Postings:
    """The documents of a tier by the terms that they have."""

    keys: NDArray[np.uint64]  # [terms] ascending
    offsets: NDArray[np.int64]  # [terms + 1]
    documents: NDArray[np.int32]  # [postings] of each term, ascending
    counts: NDArray[np.uint16]  # [postings]

    @classmethod
    def of(cls, texts: Sequence[TermCounts]) -> "Postings":
        """The postings of documents in their order."""
        if not texts:
            none = np.zeros(0, dtype=np.int32)
            return cls(none.astype(np.uint64), np.zeros(1, dtype=np.int64), none, none.astype(np.uint16))
        terms = np.concatenate([text.terms for text in texts])
        counts = np.concatenate([text.counts for text in texts])
        documents = np.repeat(np.arange(len(texts), dtype=np.int32), [len(text.terms) for text in texts])
        order = np.argsort(terms, kind="stable")
        terms = terms[order]
        starts = np.flatnonzero(np.concatenate([[len(terms) > 0], terms[1:] != terms[:-1]]))
        offsets = offsets_of(np.diff([*starts.tolist(), len(terms)]))
        return cls(terms[starts], offsets, documents[order], counts[order])

    def find(self, key: int) -> slice:
        """The postings of a term, by its hash; an empty slice for one that no document has."""
        place = places_of(self.keys, key)
        if place.start == place.stop:
            return slice(0, 0)
        return slice(int(self.offsets[place.start]), int(self.offsets[place.start + 1]))
