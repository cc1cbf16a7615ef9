"""What people chose after a query, and after those that read much like it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.text.chosen_index import ChosenIndex, QueryKey, key_of

OTHER_ORDER: Final = 0.5
"""How much a query with the same words in another order tells, beside the very query."""
MOST_NEAR: Final = 32
"""Queries that are looked at with one word more or less, those of most people first."""
NEAR_PEOPLE: Final = 2.0
"""As many people as all near queries together may count for: they say where to look, until the very query does."""
LEAST_PEOPLE: Final = 3.0
LEAST_SHARE: Final = 0.02
"""Of those who chose anything after a query: an item is found by them where they are so many and such a share. Fewer
may have mistaken it, and what was chosen by the way is not what was meant."""


@dataclass(frozen=True, eq=False)
class ChosenItems:
    """The items that were chosen after a query."""

    rows: NDArray[np.int32]  # [n] ascending
    people: NDArray[np.float32]  # [n] how many chose each, after near queries too
    is_found: NDArray[np.bool_]  # [n] whether enough chose it after this very query for it to be found

    @classmethod
    def none(cls) -> "ChosenItems":
        """Those of a query that nobody has typed."""
        return cls(np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.float32), np.zeros(0, dtype=np.bool_))

    def evidence_of(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The logarithm of how many people chose each of `rows`, 0 for nobody: what one more adds grows less."""
        if not len(self.rows):
            return np.zeros(len(rows), dtype=np.float32)
        place = np.minimum(np.searchsorted(self.rows, rows), len(self.rows) - 1)
        people = np.where(self.rows[place] == rows, self.people[place], np.float32(0.0))
        return np.asarray(np.log1p(people), dtype=np.float32)


def chosen_after(index: ChosenIndex, text: str) -> ChosenItems:
    """The items that were chosen after a query with corrected spelling."""
    key = key_of(text)
    if not key.text:
        return ChosenItems.none()
    place = index.queries.find(key.text)
    very = None if place < 0 else place
    likeness = _near_queries(index, key, very)
    if very is None and not likeness:
        return ChosenItems.none()
    near = [(*index.items_of(query), weight) for query, weight in likeness.items()]
    very_rows, very_counts = index.items_of(very) if very is not None else (near[0][0][:0], near[0][1][:0])
    rows, places = np.unique(np.concatenate([very_rows, *(part[0] for part in near)]), return_inverse=True)
    of_very = np.zeros(len(rows), dtype=np.float64)
    of_very[places[: len(very_rows)]] = very_counts
    people = np.concatenate([very_counts[:0], *(weight * counts for _, counts, weight in near)])
    of_near = np.asarray(np.bincount(places[len(very_rows) :], weights=people, minlength=len(rows)), dtype=np.float64)
    total, near_total = float(of_very.sum()), float(of_near.sum())
    if near_total > NEAR_PEOPLE:
        of_near *= NEAR_PEOPLE / near_total
    is_found = (of_very >= LEAST_PEOPLE) & (of_very >= LEAST_SHARE * total)
    return ChosenItems(rows, (of_very + of_near).astype(np.float32), is_found)


def _near_queries(index: ChosenIndex, key: QueryKey, very: int | None) -> dict[int, float]:
    """The queries that read much like a key, and how much each is like it: the share of words that both have."""
    words = len(key.stems)
    near = dict.fromkeys(_taken(index.with_bag(key.bag)), OTHER_ORDER)
    one_less = (query for hashed in key.shortened() for query in _taken(index.with_bag(hashed)))
    for likeness, queries in (
        ((words - 1) / words, one_less),
        (words / (words + 1), _taken(index.with_one_more(key.bag))),
    ):
        for query in queries:
            near.setdefault(query, OTHER_ORDER * likeness)
    if very is not None:
        near.pop(very, None)
    return near


def _taken(queries: NDArray[np.int32]) -> Iterable[int]:
    numbers: list[int] = queries[:MOST_NEAR].tolist()
    return numbers
