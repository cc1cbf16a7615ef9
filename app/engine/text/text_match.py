"""What a query says to the catalogue: the words that were read, and how well every item matches them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class TextMatch:
    """A query, read once; immutable, and shared by all requests that ask the same.

    Lexical scores are relative to the best of the catalogue, 0 to 1, and 0 for rows that are no items.
    """

    text: str  # what was searched for, spelling corrected
    corrected: str | None  # `text` where it is not what was asked for
    words: tuple[str, ...]  # as they were read, folded
    lexical: NDArray[np.float32]  # [rows] BM25 of title, brand, category, further text and logged queries as one text
    title: NDArray[np.float32]  # [rows] BM25 of the title alone
    attributes: NDArray[np.float32]  # [rows] BM25 of attribute values
    coverage: NDArray[np.float32]  # [rows] the share of the query's words, by how much they say, that an item has
    exact: NDArray[np.float32]  # [rows] named exactly: half a point for the brand, half for a model number in the title
    vector: NDArray[np.float32]  # [dim] of the query's meaning, zeros where nothing is known of its n-grams
    word_rows: tuple[NDArray[np.int32], ...] = ()  # of each word, the rows that have it, ascending

    @cached_property
    def best_coverage(self) -> float:
        """The largest share of the query that an item has."""
        return float(self.coverage.max(initial=0.0))

    @property
    def says_something(self) -> bool:
        """Whether the catalogue knows any of its words or n-grams."""
        return self.has_meaning or self.best_coverage > 0

    @property
    def matched_by(self) -> str:
        """How items are found: by `words`, else by `meaning` alone, else by `nothing` that was asked for."""
        if self.best_coverage > 0:
            return "words"
        return "meaning" if self.has_meaning else "nothing"

    @property
    def has_meaning(self) -> bool:
        """Whether the vector says anything."""
        return bool(self.vector.any())

    @cached_property
    def _matched(self) -> NDArray[np.bool_]:
        enough = self.coverage > _MOST
        return enough if enough.any() else np.asarray(self.coverage > 0, dtype=np.bool_)

    def matched(self) -> NDArray[np.bool_]:
        """`[rows]`, the items that count as found by their words: all with more than half of what the query says.

        Where no item has that much, all with any of its words.
        """
        return self._matched

    def words_of(self, row: int) -> list[str]:
        """The words of the query that an item has, in the query's order."""
        return [word for word, rows in zip(self.words, self.word_rows, strict=True) if _holds(rows, row)]


_MOST = 0.5


def _holds(rows: NDArray[np.int32], row: int) -> bool:
    place = int(np.searchsorted(rows, row))
    return place < len(rows) and int(rows[place]) == row
