"""What a search finds: a matter of item and query alone, settled before any filter, and the same whoever asks."""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

MatchedBy = Literal["words", "words_and_meaning", "meaning", "nothing"]
MATCHED_BY: Final[tuple[MatchedBy, ...]] = ("words", "words_and_meaning", "meaning", "nothing")


@dataclass(frozen=True, eq=False)
class NearItems:
    """The items nearest to a text in meaning, of the whole catalogue."""

    rows: NDArray[np.int64]  # [n], the nearest first
    cosines: NDArray[np.float32]  # [n], with the vector of the text

    @classmethod
    def none(cls) -> "NearItems":
        """Those of a text without a meaning."""
        return cls(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32))

    def above(self, floor: float | None) -> NDArray[np.int64]:
        """The rows whose cosine is `floor` or more; no floor lets nothing through."""
        return self.rows[:0] if floor is None else self.rows[self.cosines >= floor]


@dataclass(frozen=True, eq=False)
class Hits:
    """The items that one query finds, and how."""

    items: NDArray[np.bool_]  # [rows]
    matched_by: MatchedBy
    near_rows: NDArray[np.int64]  # of `items`, those nearest in meaning, the nearest first
    dropped_words: tuple[str, ...] = ()  # of the query, that none of the items has


def hits_of(
    by_words: NDArray[np.bool_],
    chosen_rows: NDArray[np.int32],
    dropped_words: tuple[str, ...],
    near: NearItems,
    floor: float | None,
    selectable: NDArray[np.bool_],
) -> Hits:
    """What words and meaning find together.

    Args:
        by_words: `[rows]`, the items that have the words.
        chosen_rows: those that so many people chose after the very query that they are as right as with its words.
        dropped_words: that none of them has.
        near: the items nearest in meaning.
        floor: the least cosine by which an item is found.
        selectable: `[rows]`, true for real items.
    """
    items = by_words & selectable
    has_words = is_found_by_query = bool(items.any())
    if len(chosen_rows):
        chosen_rows = chosen_rows[selectable[chosen_rows]]
        items[chosen_rows] = True
        is_found_by_query = has_words or len(chosen_rows) > 0
    near_rows, adds = near.above(floor), False
    if len(near_rows):
        near_rows = near_rows[selectable[near_rows]]
        adds = not items[near_rows].all()
        items[near_rows] = True
    matched_by: MatchedBy = "nothing"
    if is_found_by_query:
        matched_by = "words_and_meaning" if adds else "words"
    elif adds:
        matched_by = "meaning"
    return Hits(items, matched_by, near_rows, dropped_words if has_words else ())


def everything_near(near: NearItems, selectable: NDArray[np.bool_]) -> Hits:
    """What is found where meaning alone counts: all items that are near."""
    rows = near.rows[selectable[near.rows]]
    items = np.zeros_like(selectable)
    items[rows] = True
    return Hits(items, "meaning" if len(rows) else "nothing", rows)


def everything(is_known: bool, has_words: bool, near: NearItems, selectable: NDArray[np.bool_]) -> Hits:
    """What is found where items have no words of their own: a query that anything is known of orders all of them."""
    if not is_known:
        return Hits(np.zeros_like(selectable), "nothing", near.rows[:0])
    return Hits(selectable, "words" if has_words else "meaning", near.rows[selectable[near.rows]])
