"""Terms of a field that were looked up, kept from view to view as long as no item with them changes."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

_KEPT: Final = 2_000_000  # rows of terms that are kept in memory, four bytes each
_TERM_SIZE: Final = 100  # what else is kept of a term, as rows
_MOST_BEHIND: Final = 64  # views that a term may have been looked up before


@dataclass(frozen=True, slots=True, eq=False)
class TermRows:
    """Where one term stands."""

    rows: NDArray[np.int32]  # of the items that have it, ascending
    base: slice  # of the postings of the bundle, superseded ones among them
    tier_rows: NDArray[np.int32]  # of the items of live tiers that have it
    tier_weights: NDArray[np.float32]  # [tier rows] its share in the text: BM25 but for the rarity


@dataclass(frozen=True, slots=True, eq=False)
class _Change:
    """What differs from one view to the next."""

    terms: frozenset[int]  # the hashes of those that an item of a tier had, or has now
    rows: NDArray[np.int32]  # of the bundle, which it speaks for no more


class TermMemory:
    """Terms of one field, for the views of one bundle. One writer begins views; threads read them, older ones too."""

    def __init__(self) -> None:
        self._terms: dict[str, tuple[int, TermRows]] = {}  # with the view as of which it is known
        self._size = 0
        self._changes: dict[int, _Change] = {}  # by the view that has them
        self._view = 0

    def begin(self, view: int, terms: Collection[int], rows: NDArray[np.int32]) -> None:
        """Begin the next view.

        Args:
            view: its number.
            terms: the hashes of all terms that an item of a tier had before, or has now, among those that changed.
            rows: of the bundle, for which it does not speak any more.
        """
        self._view = view
        self._changes[view] = _Change(frozenset(terms), rows)
        self._changes.pop(view - _MOST_BEHIND, None)

    def forget(self, view: int) -> None:
        """Begin a view of which it is not known what differs: nothing is kept from those before."""
        self._view, self._changes = view, {}

    def get(self, term: str, key: int, view: int) -> TermRows | None:
        """A term as it is in a view, if it is known; `key` is its hash."""
        as_of, known = self._terms.get(term, (view + 1, None))
        if known is None or as_of > view:
            return None
        if as_of < view:
            for number in range(as_of + 1, view + 1):
                change = self._changes.get(number)
                if change is None or key in change.terms or _has_any(known.rows, change.rows):
                    return None
            self._terms[term] = (view, known)
        return known

    def keep(self, term: str, view: int, value: TermRows) -> None:
        """Keep a term of a view, in place of all others where they would be too many."""
        if view < self._view:
            return
        size = len(value.rows) + len(value.tier_rows) + _TERM_SIZE
        if self._size + size > _KEPT:
            self._terms, self._size = {}, 0
        self._terms[term] = (view, value)
        self._size += size


def _has_any(rows: NDArray[np.int32], others: NDArray[np.int32]) -> bool:
    """Whether ascending rows have any of some others."""
    if not len(rows) or not len(others):
        return False
    places = np.minimum(np.searchsorted(rows, others), len(rows) - 1)
    return bool((rows[places] == others).any())
