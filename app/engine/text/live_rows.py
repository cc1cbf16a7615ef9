"""Which rows the index of a bundle still speaks for, and which documents of live tiers speak for the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class TierRows:
    """The documents of one tier as of one moment."""

    rows: NDArray[np.int32]  # [documents] ascending
    is_alive: NDArray[np.bool_]  # [documents] false where a newer tier has the row, or nothing does any more

    @property
    def alive(self) -> int:
        """How many are alive."""
        return int(np.count_nonzero(self.is_alive))

    def find(self, rows: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where among `rows` those stand that this tier speaks for, and the document of each."""
        if not len(self.rows):
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        place = np.minimum(np.searchsorted(self.rows, rows), len(self.rows) - 1)
        lines = np.flatnonzero((self.rows[place] == rows) & self.is_alive[place])
        return lines, place[lines]


@dataclass(frozen=True, eq=False)
class LiveRows:
    """Whose words each row has: the bundle's, those of a document, or none."""

    span: int  # rows of the item tables, live ones among them
    in_base: NDArray[np.bool_]  # [span] the rows that the bundle's index speaks for
    superseded: NDArray[np.int32]  # the rows of the bundle that it speaks for no more, ascending
    tiers: tuple[TierRows, ...]  # the oldest first

    @classmethod
    def of(
        cls,
        span: int,
        superseded: NDArray[np.bool_],
        selectable: NDArray[np.bool_],
        rows_of_tiers: Sequence[NDArray[np.int32]],
    ) -> "LiveRows":
        """Those of a view.

        Args:
            span: rows of the view's item tables.
            superseded: `[rows of the bundle]`.
            selectable: `[span]`, false for items that are answered nowhere: their documents are dead.
            rows_of_tiers: of each tier's documents, the oldest tier first: of two documents of a row the newer counts.
        """
        in_base = np.zeros(span, dtype=np.bool_)
        in_base[: len(superseded)] = ~superseded
        tiers: list[TierRows] = []
        taken = np.zeros(span, dtype=np.bool_)
        for rows in reversed(rows_of_tiers):
            tiers.append(TierRows(rows, selectable[rows] & ~taken[rows]))
            taken[rows] = True
        return cls(span, in_base, np.flatnonzero(superseded).astype(np.int32), tuple(reversed(tiers)))

    @property
    def alive(self) -> int:
        """How many documents of the tiers are alive."""
        return sum(tier.alive for tier in self.tiers)

    def of_base(self, rows: NDArray[np.int32]) -> NDArray[np.int32]:
        """Of some rows those that the bundle's index speaks for."""
        return rows[self.in_base[rows]] if len(self.superseded) and len(rows) else rows


def merged_rows(parts: Sequence[NDArray[np.int32]]) -> NDArray[np.int32]:
    """The rows of some parts which have none in common, ascending; each part is ascending itself."""
    parts = [part for part in parts if len(part)]
    if not parts:
        return np.zeros(0, dtype=np.int32)
    if len(parts) == 1:
        return parts[0]
    rows = np.concatenate(parts)
    is_ordered = all(first[-1] < second[0] for first, second in pairwise(parts))
    return rows if is_ordered else np.sort(rows, kind="stable")
