"""Item columns that the features read: vectors, neighbours, counts, prices, codes."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.artifact import names
from app.artifact.mapped import load_mapped


@dataclass(frozen=True)
class RankTables:
    """Columns by item row; row 0 and filler rows are no items and hold zeros (NaN in prices)."""

    vectors: NDArray[np.int8]  # [rows, dim] of length 1 after scaling
    scales: NDArray[np.float32]  # [rows]
    score_scales: NDArray[np.float32]  # [rows] scale times the item's length, as the search multiplies
    content: NDArray[np.int8]  # [rows, content dim] by text and attributes alone; no columns where there are none
    content_scales: NDArray[np.float32]  # [rows]
    neighbours: NDArray[np.int32]  # [rows, neighbours] items that occur together, the closest first, 0 pads
    neighbour_weights: NDArray[np.float16]  # [rows, neighbours]
    counts: NDArray[np.float32]  # [rows, 3] users who viewed, carted, purchased
    popularity: NDArray[np.float32]  # [rows] weighted by recency, the most popular one 1
    codes: NDArray[np.int32]  # [rows, 2] category and brand, 0 for missing
    log_price: NDArray[np.float32]  # [rows] NaN for missing
    absent: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, dtype=np.int32))
    """`[absent]` rows of items that the catalogue lacks, ascending: they teach, and are never answered."""

    @cached_property
    def answerable(self) -> NDArray[np.bool_] | None:
        """`[rows]`, false for absent items; None where there are none."""
        if not len(self.absent):
            return None
        answerable = np.ones(len(self.scales), dtype=np.bool_)
        answerable[self.absent] = False
        return answerable

    @cached_property
    def never_seen(self) -> NDArray[np.bool_]:
        """`[rows]`, the items without an event."""
        return np.asarray(self.counts.sum(axis=1) == 0, dtype=np.bool_)

    @cached_property
    def assumed(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Counts `[rows, 3]` and popularity `[rows]`; an item that was never seen gets the median of the others.

        An unknown item is not an unpopular one: by its own counts, a new item would never be shown.
        """
        seen = ~self.never_seen
        counts, popularity = self.counts.copy(), self.popularity.copy()
        if seen.any():
            counts[~seen] = np.median(self.counts[seen], axis=0)
            popularity[~seen] = np.median(self.popularity[seen])
        return counts, popularity

    def knowing(
        self,
        answerable: NDArray[np.bool_] | None,
        never_seen: NDArray[np.bool_],
        assumed: tuple[NDArray[np.float32], NDArray[np.float32]],
    ) -> "RankTables":
        """These tables with values that are else worked out of them, by whoever keeps them up to date."""
        tables = replace(self)
        vars(tables).update(answerable=answerable, never_seen=never_seen, assumed=assumed)
        return tables

    def write(self, folder: Path) -> None:
        """Write the columns into the bundle in `folder`."""
        (folder / names.ITEM_VECTORS).parent.mkdir(parents=True, exist_ok=True)
        for name, column in _FILES.items():
            np.save(folder / name, getattr(self, column))
        if len(self.absent):
            np.save(folder / names.ITEM_ABSENT, self.absent)


_FILES = {
    names.ITEM_VECTORS: "vectors",
    names.ITEM_SCALES: "scales",
    names.ITEM_SCORE_SCALES: "score_scales",
    names.ITEM_CONTENT: "content",
    names.ITEM_CONTENT_SCALES: "content_scales",
    names.ITEM_NEIGHBOURS: "neighbours",
    names.ITEM_NEIGHBOUR_WEIGHTS: "neighbour_weights",
    names.ITEM_COUNTS: "counts",
    names.ITEM_POPULARITY: "popularity",
    names.ITEM_CODES: "codes",
    names.ITEM_LOG_PRICE: "log_price",
}


def read_rank_tables(folder: Path) -> RankTables:
    """The columns of the bundle in `folder`, mapped into memory: the processes of a machine share them."""
    files = _FILES | ({names.ITEM_ABSENT: "absent"} if (folder / names.ITEM_ABSENT).exists() else {})
    return RankTables(**{column: load_mapped(folder / name) for name, column in files.items()})
