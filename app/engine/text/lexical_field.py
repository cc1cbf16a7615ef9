"""One text of every item of a bundle, indexed by terms: which items have a term, and how well by BM25."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from bm25s import BM25
from numpy.typing import NDArray

from app.engine.kernels.library import address, contiguous
from app.engine.kernels.words import Addend, Column, Kind, sum_postings
from app.engine.text.synonyms import AlternativeMatch


@dataclass(frozen=True)
class LexicalField:
    """One text of every item, indexed by terms."""

    index: BM25 | None  # None where no item has a word in it
    rows: int  # of the item tables; document `d` of the index is row `d + 1`

    def has(self, term: str) -> bool:
        """Whether any item has the term."""
        return self.index is not None and term in self.index.vocab_dict

    def scores(self, weighted: Sequence[tuple[str, float]]) -> NDArray[np.float32]:
        """Weighted sums of BM25 over terms, `[rows]`; terms that no item has add nothing."""
        return sum_postings(self.addends(weighted, Column.MAIN), self.rows)

    def addends(self, weighted: Sequence[tuple[str, float]], column: Column) -> list[Addend]:
        """What `scores` sums, as addends of a column."""
        parts = [(self._part_of(term), weight) for term, weight in weighted]
        return [self._addend(part, weight, column) for part, weight in parts if part.stop > part.start]

    def _addend(self, part: slice, factor: float, column: Column) -> Addend:
        """The postings of one term in the bundle, each times a factor."""
        places, scores, places_at, scores_at = self._postings
        begins = places_at + part.start * places.itemsize, scores_at + part.start * scores.itemsize
        return Addend(column, Kind.SCORES, places[part], scores[part], factor, 1, begins)

    @cached_property
    def _postings(self) -> tuple[NDArray[np.int32], NDArray[np.float32], int, int]:
        """The documents of all postings and their scores, and where both begin in memory."""
        index = self.index
        places = np.zeros(0, dtype=np.int32) if index is None else contiguous(index.scores["indices"], np.int32)
        scores = np.zeros(0, dtype=np.float32) if index is None else contiguous(index.scores["data"], np.float32)
        return places, scores, address(places), address(scores)

    def addends_with(
        self, weighted: Sequence[tuple[str, float]], alternatives: Sequence[AlternativeMatch], column: Column
    ) -> list[Addend]:
        """As `addends`; items that have an alternative instead are scored by its terms."""
        addends = self.addends(weighted, column)
        if not alternatives:
            return addends
        is_scored = np.zeros(self.rows, dtype=np.bool_)
        for alternative in alternatives:
            is_scored[alternative.scored] = True
            for term, weight in alternative.weighted:
                if self.has(term):
                    rows, scores = self.postings(term)
                    counts = is_scored[rows]
                    addends.append(Addend(column, Kind.SCORES, rows[counts], scores[counts], weight))
            is_scored[alternative.scored] = False
        return addends

    def rows_of(self, term: str) -> NDArray[np.int32]:
        """The rows of the items that have a term, ascending."""
        part = self._part_of(term)
        if self.index is None or part.stop == part.start:
            return np.zeros(0, dtype=np.int32)
        return np.asarray(self.index.scores["indices"][part] + 1, dtype=np.int32)

    def postings(self, term: str) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """The rows of the items that have a term, and the score of each."""
        part = self._part_of(term)
        if self.index is None or part.stop == part.start:
            return np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.float32)
        scores = self.index.scores
        return np.asarray(scores["indices"][part] + 1, dtype=np.int32), np.asarray(scores["data"][part])

    def _part_of(self, term: str) -> slice:
        number = None if self.index is None else self.index.vocab_dict.get(term)
        if self.index is None or number is None:
            return slice(0, 0)
        offsets = self.index.scores["indptr"]
        return slice(int(offsets[number]), int(offsets[number + 1]))
