"""A query as the catalogue reads it: its words, how well every item matches them, and its vector."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.engine.text.chosen import ChosenItems
from app.engine.text.hits import Hits
from app.engine.text.lexical import LexicalMatch
from app.engine.text.meaning_match import MeaningMatch


@dataclass(frozen=True, slots=True)
class QueryText:
    """What was typed into the search box."""

    text: str
    is_exact: bool = False  # nothing of it is corrected


@dataclass(frozen=True, eq=False)
class TextMatch:
    """A query, read once: immutable, and shared by all requests with the same text."""

    text: str  # with corrected spelling
    corrected: str | None  # `text` where the spelling was corrected
    words: tuple[str, ...]  # folded
    lexical: LexicalMatch
    vector: NDArray[np.float32]  # [dim] of the query's meaning, zeros where none of its n-grams is known
    chosen: ChosenItems
    hits: Hits
    meaning: MeaningMatch | None = None  # None without a text encoder, and for a query that it reads nothing in

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
