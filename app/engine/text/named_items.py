"""Items that a whole query names: by an id or another code, whole or as it begins, or by a title, word for word.

They stand above all that words, meaning, taste and popularity give, in tiers of their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.text.codes import bare_code
from app.artifact.text.languages import Languages
from app.artifact.text.words import Word, read_words
from app.engine.text.lexical_field import LexicalField
from app.engine.text.lexical_index import LexicalIndex

TIER: Final = 32.0
"""Of a score: more than learned weights give, and than the largest boost."""
BY_TITLE, BY_BEGINNING, BY_CODE, AS_WRITTEN = (TIER * step for step in (1.0, 2.0, 3.0, 3.5))
"""What an item gets whose title is the query; whose code begins so; whose code is the query, but for signs between its
parts; and whose code is written just so."""
_SHORTEST_BEGINNING: Final = 3  # letters and digits
_MOST_BEGINNING: Final = 1_000  # codes: what more of them begin with says too little
_NONE: Final = np.zeros(0, dtype=np.int32)


@dataclass(frozen=True, eq=False)
class NamedItems:
    """The items that a query names, and what each gets for it."""

    rows: NDArray[np.int32] = field(default_factory=_NONE.copy)  # ascending
    gains: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, dtype=np.float32))  # of each row

    def gains_of(self, rows: NDArray[np.integer]) -> NDArray[np.float32]:
        """What each of some rows gets, 0 for those that the query does not name."""
        gains = np.zeros(len(rows), dtype=np.float32)
        if len(self.rows):
            position = np.minimum(np.searchsorted(self.rows, rows), len(self.rows) - 1)
            gains = np.where(self.rows[position] == rows, self.gains[position], gains)
        return gains

    def with_rows(self, rows: NDArray[np.int32], gain: float) -> "NamedItems":
        """With more rows, ascending; a row that is there already gets the larger gain."""
        if not len(rows):
            return self
        all_rows = np.union1d(self.rows, rows)
        gains = self.gains_of(all_rows)
        gains[np.searchsorted(all_rows, rows)] = np.maximum(gains[np.searchsorted(all_rows, rows)], np.float32(gain))
        return NamedItems(all_rows, gains)


def named_by_code(index: LexicalIndex, text: str, allowed: NDArray[np.bool_]) -> NamedItems:
    """The items of which an id or another code is the whole text; hyphens and spaces within do not matter.

    Args:
        text: as it was typed.
        allowed: `[rows]`, the items that may be found at all.
    """
    if index.codes is None:
        return NamedItems()
    whole = index.codes.whole(text)
    if not len(whole):  # nor is any written so
        return NamedItems()
    written = index.codes.written(text)
    return NamedItems().with_rows(whole[allowed[whole]], BY_CODE).with_rows(written[allowed[written]], AS_WRITTEN)


def named_by_beginning(index: LexicalIndex, text: str, languages: Languages, allowed: NDArray[np.bool_]) -> NamedItems:
    """The items of which a code begins with the whole text, where that has a digit and no title has its words.

    Args:
        text: as it was typed.
        languages: of the catalogue.
        allowed: `[rows]`, the items that may be found at all.
    """
    bare = bare_code(text)
    if index.codes is None or len(bare) < _SHORTEST_BEGINNING or not any(map(str.isdigit, bare)):
        return NamedItems()
    rows = index.codes.beginning_with(text, _MOST_BEGINNING)
    rows = rows[allowed[rows]]
    if not len(rows) or _has_all(index.title, read_words(text, languages)):
        return NamedItems()
    return NamedItems().with_rows(rows, BY_BEGINNING)


def with_titles(named: NamedItems, rows: NDArray[np.int32], hits: NDArray[np.bool_]) -> NamedItems:
    """With the rows whose title is the query, as far as it finds them by `hits`, `[rows of the catalogue]`."""
    return named.with_rows(rows[hits[rows]], BY_TITLE) if len(rows) else named


def _has_all(titles: LexicalField, words: Sequence[Word]) -> bool:
    """Whether a title has all words as they stand: a code in one piece, a number with its unit."""
    rows: NDArray[np.int32] | None = None
    for word in words:
        term = word.terms[-1] if word.kind == "code" else word.terms[0]
        with_word = titles.rows_of(term)
        rows = with_word if rows is None else np.intersect1d(rows, with_word, assume_unique=True)
    return rows is not None and len(rows) > 0
