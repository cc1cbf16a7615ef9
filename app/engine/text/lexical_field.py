"""One text of every item of a bundle, indexed by terms: which items have a term, and how well by BM25."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from bm25s import BM25
from numpy.typing import NDArray

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
        total = np.zeros(self.rows, dtype=np.float32)
        if self.index is None:
            return total
        known = [(self.index.vocab_dict[term], weight) for term, weight in weighted if self.has(term)]
        for weight in dict.fromkeys(weight for _, weight in known):
            ids = [number for number, term_weight in known if term_weight == weight]
            part = self.index.get_scores_from_ids(ids)
            total[1 : 1 + len(part)] += np.float32(weight) * part
        return total

    def scores_with(
        self, weighted: Sequence[tuple[str, float]], alternatives: Sequence[AlternativeMatch]
    ) -> NDArray[np.float32]:
        """As `scores`; items that have an alternative instead are scored by its terms."""
        total = self.scores(weighted)
        if not alternatives:
            return total
        is_scored = np.zeros(self.rows, dtype=np.bool_)
        for alternative in alternatives:
            is_scored[alternative.scored] = True
            for term, weight in alternative.weighted:
                if self.has(term):
                    rows, scores = self.postings(term)
                    counts = is_scored[rows]
                    total[rows[counts]] += np.float32(weight) * scores[counts]
            is_scored[alternative.scored] = False
        return total

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
