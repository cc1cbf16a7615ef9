"""What was looked up in the fields of an index, kept from view to view where no item with it changes."""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from app.engine.text.item_words import ItemWords
from app.engine.text.postings import TermCounts
from app.engine.text.term_memory import TermMemory


class IndexMemory:
    """The terms of the views of one bundle. For one writer."""

    def __init__(self) -> None:
        self.main = TermMemory()
        self.title = TermMemory()
        self.attributes = TermMemory()
        self._view = 0
        self._words: dict[int, ItemWords] | None = {}  # of the items of tiers by row; None where they are not known
        self._superseded = np.zeros(0, dtype=np.int32)

    def begin(self, changed: Mapping[int, ItemWords | None] | None, superseded: NDArray[np.int32]) -> int:
        """The number of the next view.

        Args:
            changed: what the items say now that changed since the last view, by row; None where it is not known.
            superseded: the rows of the bundle that it speaks for no more, ascending.
        """
        rows = np.setdiff1d(superseded, self._superseded, assume_unique=True)
        is_known = len(self._superseded) + len(rows) == len(superseded)  # or some are the bundle's again
        self._superseded = superseded
        changes = self._changes(changed)
        self._view += 1
        if changes is None or not is_known:
            for field in (self.main, self.title, self.attributes):
                field.forget(self._view)
        else:
            self.main.begin(self._view, _hashes_of(item.main for item in changes), rows)
            self.title.begin(self._view, _hashes_of(item.title for item in changes), rows)
            self.attributes.begin(self._view, _hashes_of(item.attributes for item in changes), rows)
        return self._view

    def _changes(self, changed: Mapping[int, ItemWords | None] | None) -> list[ItemWords] | None:
        """What the items of tiers said before, and what they say now."""
        if changed is None or self._words is None:
            self._words = None
            return None
        changes = []
        for row, words in changed.items():
            changes.append(self._words.pop(row, None))
            if words is not None:
                self._words[row] = words
            changes.append(words)
        return [item for item in changes if item is not None]


def _hashes_of(texts: Iterable[TermCounts]) -> set[int]:
    return {hashed for text in texts for hashed in text.terms.tolist()}
