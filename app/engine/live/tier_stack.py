"""Live documents in tiers: the newest few, made into an index again at each change, over sealed ones that stay.

After the segments of Lucene: a change costs as much as the newest tier is large, and a request reads few tiers, since
sealed ones are merged, two of about a size at a time. Of an item that stands in several tiers the newest counts.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Generic, Protocol, TypeVar

SEALED_AT: Final = 64
"""Documents of the newest tier."""
_MOST_SEALED: Final = 3  # tiers of about one size

PartT = TypeVar("PartT")
TierT = TypeVar("TierT")


class Merging(Protocol):
    """Tiers that may become one."""

    def run(self) -> None:
        """Make the one tier; anywhere, at any time, beside all else."""
        ...

    def install(self) -> None:
        """Put it in their place, by the writer of the stack; nothing happens where they are not there any more."""
        ...


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
            self._sealed.append(newest)
            self._newest = {}
        return tiers

    def merging(self) -> Merging | None:
        """What is to be merged, if anything: so many of the newest sealed tiers that few of a size are left."""
        sizes = [self._size(tier) for tier in self._sealed]
        count, total = 0, 0
        for size in reversed(sizes):  # as long as an older tier is not much larger than all behind it
            if count >= _MOST_SEALED and size > 2 * total:
                break
            count, total = count + 1, total + size
        return None if count <= _MOST_SEALED else _Merging(self._sealed, len(sizes) - count, self._merge)


class _Merging(Generic[TierT]):
    """Some neighbouring tiers of a stack.

    Args:
        sealed: all tiers of the stack, to which newer ones are only ever appended meanwhile.
        start: the place of the first one to be merged; so are all behind it.
        merge: one tier in place of several.
    """

    def __init__(self, sealed: list[TierT], start: int, merge: Callable[[Sequence[TierT]], TierT]) -> None:
        self._sealed = sealed
        self._tiers = tuple(sealed[start:])
        self._merge = merge
        self._merged: TierT | None = None

    def run(self) -> None:
        """Make the one tier."""
        self._merged = self._merge(self._tiers)

    def install(self) -> None:
        """Put it in their place."""
        start = next((place for place, tier in enumerate(self._sealed) if tier is self._tiers[0]), None)
        if self._merged is not None and start is not None:
            self._sealed[start : start + len(self._tiers)] = [self._merged]
