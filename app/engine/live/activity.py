"""What people do with items that the bundle has never seen: who did what with them, and beside which other items.

A bundle counts both once for all its items; here the counts of new items grow event by event, on the scale of the
bundle's, until the next one counts them itself.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.behaviours import BEHAVIOURS, CART, PURCHASE, VIEW
from app.artifact.names import PADDING_ROW
from app.artifact.rank_tables import RankTables
from app.engine.catalogue import Items

_WORTH: Final = {VIEW: 1.0, CART: 2.0, PURCHASE: 4.0}  # as where the bundle counts
_AMONG: Final = 100  # of the most popular items tell what popularity is worth
_MOST_PEOPLE: Final = 100_000  # of one item that are told apart


@dataclass(frozen=True, slots=True)
class NewItemEvent:
    """Somebody did something with an item that the bundle does not know, or with one beside it."""

    item_hash: int
    behaviour: int
    person_hash: int
    near_hashes: tuple[int, ...] = ()  # items of the same person shortly before, the newest first


@dataclass(frozen=True)
class ActivityColumns:
    """The columns of `RankTables` that people's doings change, of some rows."""

    rows: NDArray[np.int64]  # [n]
    counts: NDArray[np.float32]  # [n, behaviours]
    popularity: NDArray[np.float32]  # [n]
    neighbours: NDArray[np.int32]  # [n, neighbours]
    neighbour_weights: NDArray[np.float16]  # [n, neighbours]


@dataclass(slots=True)
class _Tally:
    people: dict[int, set[int]] = field(default_factory=lambda: {code: set() for code in BEHAVIOURS.values()})
    near: Counter[int] = field(default_factory=Counter)  # item hash -> people


class ActivityTally:
    """Counts events of new items. For one writer.

    Args:
        base: the tables of the bundle.
        items: of the bundle.
    """

    def __init__(self, base: RankTables, items: Items) -> None:
        self._base = base
        self._bundled = items
        self._tallies: dict[int, _Tally] = {}  # by item hash
        self._pairs: set[tuple[int, int, int]] = set()  # person, and two items: each pair counts once a person
        self._near_of: defaultdict[int, Counter[int]] = defaultdict(Counter)  # of the bundle's items: new ones
        self._changed: set[int] = set()
        self._worth = _worth_of_popularity(base)

    def add(self, events: Iterable[NewItemEvent]) -> None:
        """Count some events."""
        for event in events:
            if not self._is_bundled(event.item_hash):
                tally = self._tallies.setdefault(event.item_hash, _Tally())
                people = tally.people[event.behaviour]
                if len(people) < _MOST_PEOPLE:
                    people.add(event.person_hash)
                self._changed.add(event.item_hash)
            for near in event.near_hashes:
                self._pair(event.person_hash, event.item_hash, near)

    def columns(self, items: Items, tables: RankTables) -> ActivityColumns | None:
        """What changed since the last call, by the rows that items have now; None for nothing.

        What is counted of an item that has no row yet is kept for when it has one.

        Args:
            items: as they are now.
            tables: of the same moment.
        """
        hashes = sorted(self._changed)
        rows = items.rows_of_hashes(np.array(hashes, dtype=np.uint64)).astype(np.int64)
        known = [(item_hash, row) for item_hash, row in zip(hashes, rows.tolist(), strict=True) if row]
        if not known:
            return None
        self._changed -= {item_hash for item_hash, _ in known}
        width = tables.neighbours.shape[1]
        lists = [self._neighbours(item_hash, row, items, width) for item_hash, row in known]
        chosen = np.array([row for _, row in known], dtype=np.int64)
        counts, popularity = tables.counts[chosen].copy(), tables.popularity[chosen].copy()
        for place, (item_hash, _) in enumerate(known):
            if item_hash in self._tallies:
                people = self._tallies[item_hash].people
                counts[place] = [len(people[code]) for code in BEHAVIOURS.values()]
                popularity[place] = min(1.0, _worth(people) / self._worth)
        return ActivityColumns(
            rows=chosen,
            counts=counts,
            popularity=popularity,
            neighbours=np.stack([neighbours for neighbours, _ in lists]),
            neighbour_weights=np.stack([weights for _, weights in lists]),
        )

    def _is_bundled(self, item_hash: int) -> bool:
        return bool(self._bundled.rows_of_hashes(np.array([item_hash], dtype=np.uint64))[0])

    def _pair(self, person: int, one: int, other: int) -> None:
        key = (person, min(one, other), max(one, other))
        if one == other or key in self._pairs:
            return
        self._pairs.add(key)
        for item_hash, near in ((one, other), (other, one)):
            if self._is_bundled(item_hash):
                if not self._is_bundled(near):
                    self._near_of[item_hash][near] += 1
                    self._changed.add(item_hash)
            else:
                self._tallies.setdefault(item_hash, _Tally()).near[near] += 1
                self._changed.add(item_hash)

    def _neighbours(
        self, item_hash: int, row: int, items: Items, width: int
    ) -> tuple[NDArray[np.int32], NDArray[np.float16]]:
        """The items that occur most together with one, and how strongly: `[width]` each."""
        if item_hash in self._tallies:
            near = self._tallies[item_hash].near
            known: list[tuple[int, float]] = []
        else:
            near = self._near_of[item_hash]
            known = list(
                zip(self._base.neighbours[row].tolist(), self._base.neighbour_weights[row].tolist(), strict=True)
            )
        hashes = list(near)
        rows = items.rows_of_hashes(np.array(hashes, dtype=np.uint64)).tolist()
        together = [(other, float(near[key])) for key, other in zip(hashes, rows, strict=True) if other]
        if item_hash in self._tallies:
            # Of a popular item it says less that it occurs beside this one.
            scaled = [(other, count / np.sqrt(1.0 + self._people_of(other))) for other, count in together]
            total = sum(weight for _, weight in scaled)
            weighted = [(other, weight / total) for other, weight in scaled] if total else []
        else:
            people = max(1.0, float(self._base.counts[row].max()))
            weighted = [(other, min(1.0, count / people)) for other, count in together]
        strongest = sorted([*known, *weighted], key=lambda pair: (-pair[1], pair[0]))
        best = [pair for pair in strongest if pair[0] != PADDING_ROW and pair[1] > 0][:width]
        neighbours = np.full(width, PADDING_ROW, dtype=np.int32)
        weights = np.zeros(width, dtype=np.float16)
        neighbours[: len(best)] = [other for other, _ in best]
        weights[: len(best)] = [weight for _, weight in best]
        return neighbours, weights

    def _people_of(self, row: int) -> float:
        return float(self._base.counts[row].max()) if row < len(self._base.counts) else 0.0


def _worth(people: dict[int, set[int]]) -> float:
    """What people did, of each person what is worth most."""
    seen: set[int] = set()
    total = 0.0
    for code, worth in sorted(_WORTH.items(), key=lambda pair: -pair[1]):
        total += worth * len(people[code] - seen)
        seen |= people[code]
    return total


def _worth_of_popularity(base: RankTables) -> float:
    """The worth of what people did with an item whose popularity is 1."""
    top: Sequence[int] = np.argsort(-base.popularity, kind="stable")[:_AMONG].tolist()
    ratios = []
    for row in top:
        views, carts, purchases = base.counts[row].tolist()
        worth = _WORTH[PURCHASE] * purchases + _WORTH[CART] * max(0.0, carts - purchases)
        worth += _WORTH[VIEW] * max(0.0, views - max(carts, purchases))
        if base.popularity[row] > 0 and worth > 0:
            ratios.append(worth / float(base.popularity[row]))
    return float(np.median(ratios)) if ratios else 100.0
