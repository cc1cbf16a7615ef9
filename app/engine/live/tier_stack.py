"""Live documents in tiers: the newest few, made into an index again at each change, over sealed ones that stay.

After the segments of Lucene: a change costs as much as the newest tier is large, and a request reads few tiers, since
sealed ones are merged, two of about a size at a time. Of an item that stands in several tiers the newest counts.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

SEALED_AT: Final = 256
"""Documents of the newest tier."""
_MOST_SEALED: Final = 3  # tiers of about one size

PartT = TypeVar("PartT")
TierT = TypeVar("TierT")


@dataclass(frozen=True)
class Merging(Generic[TierT]):
    """Tiers that may become one; it can be made anywhere, at any time."""

    tiers: Sequence[TierT]
    make: Callable[[Sequence[TierT]], TierT]

    def run(self) -> TierT:
        """The one tier."""
        return self.make(self.tiers)


class TierStack(Generic[PartT, TierT]):
    """The tiers of one kind of index. For one writer.

    Args:
        make: a tier of documents by row.
        merge: one tier in place of several, the oldest first.
        size: of a tier, in documents.
    """

    def __init__(
        self,
        make: Callable[[Sequence[int], Sequence[PartT]], TierT],
        merge: Callable[[Sequence[TierT]], TierT],
        size: Callable[[TierT], int],
    ) -> None:
        self._make = make
        self._merge = merge
        self._size = size
        self._newest: dict[int, PartT] = {}
        self._sealed: list[TierT] = []

    def put(self, documents: Mapping[int, PartT]) -> None:
        """Take documents by row; the newest of a row counts."""
        self._newest.update(documents)

    def tiers(self) -> list[TierT]:
        """All tiers, the oldest first."""
        if not self._newest:
            return list(self._sealed)
        newest = self._make(list(self._newest), list(self._newest.values()))
        tiers = [*self._sealed, newest]
        if len(self._newest) >= SEALED_AT:
            self._sealed, self._newest = list(tiers), {}
        return tiers

    def merging(self) -> Merging[TierT] | None:
        """What is to be merged, if anything: so many of the newest sealed tiers that few of a size are left."""
        sizes = [self._size(tier) for tier in self._sealed]
        count, total = 0, 0
        for size in reversed(sizes):  # as long as an older tier is not much larger than all behind it
            if count >= _MOST_SEALED and size > 2 * total:
                break
            count, total = count + 1, total + size
        return None if count <= _MOST_SEALED else Merging(self._sealed[len(sizes) - count :], self._merge)

    def replace(self, merging: Merging[TierT], merged: TierT) -> bool:
        """Put one tier in the place of those that it was merged of; false where they are not there any more."""
        start = next((place for place, tier in enumerate(self._sealed) if tier is merging.tiers[0]), None)
        if start is None:
            return False
        self._sealed[start : start + len(merging.tiers)] = [merged]
        return True
