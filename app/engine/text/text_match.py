"""A query as the catalogue reads it: its words, how well every item matches them, and its vector."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.engine.text.lexical import LexicalMatch
from app.engine.text.operators import OperatorMatch


@dataclass(frozen=True, eq=False)
class TextMatch:
    """A query, read once: immutable, and shared by all requests with the same text."""

    text: str  # with corrected spelling
    corrected: str | None  # `text` where the spelling was corrected
    words: tuple[str, ...]  # folded
    lexical: LexicalMatch
    vector: NDArray[np.float32]  # [dim] of the query's meaning, zeros where none of its n-grams is known
    operators: OperatorMatch | None = None  # of a query that has any

    @property
    def is_known(self) -> bool:
        """Whether the catalogue knows any of its words or n-grams."""
        return self.has_meaning or self.lexical.best_coverage > 0

    @property
    def matched_by(self) -> str:
        """How items are found: by `words`, else by `meaning` alone, else by `nothing`."""
        if self.lexical.best_coverage > 0:
            return "words"
        return "meaning" if self.has_meaning else "nothing"

    @property
    def phrase_items(self) -> NDArray[np.bool_] | None:
        """`[rows]`, the items that hold every phrase of the query; None where it has none."""
        return None if self.operators is None else self.operators.phrase_items

    @property
    def excluded_items(self) -> NDArray[np.bool_] | None:
        """`[rows]`, the items that the query leaves out; None where it leaves out none."""
        return None if self.operators is None else self.operators.excluded_items

    @property
    def has_meaning(self) -> bool:
        """Whether any of its n-grams is known."""
        return bool(self.vector.any())

    def words_of(self, row: int) -> list[str]:
        """The words of the query that an item has, in the query's order."""
        return [word for word, rows in zip(self.words, self.lexical.word_rows, strict=True) if _contains(rows, row)]


def _contains(rows: NDArray[np.int32], row: int) -> bool:
    position = int(np.searchsorted(rows, row))
    return position < len(rows) and int(rows[position]) == row
