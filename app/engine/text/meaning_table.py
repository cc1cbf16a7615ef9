"""The vectors that a text encoder gives to items and kinds, and the cosines of a query with them.

Products are whole numbers: the bits of a cosine hang on the query and the item alone.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.quantise import quantise_rows
from app.artifact.rank_features import quantised_queries
from app.artifact.text.meaning_arrays import NO_KIND, MeaningArrays, read_meaning_arrays
from app.engine.kernels.meaning import cosines_of_rows
from app.engine.kernels.search import Products, best_items

_NOTHING_LEFT_OUT: Final = np.zeros((1, 0), dtype=np.int64)
_ONE: Final = np.ones(1, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class MeaningTable:
    """What a query is compared with: all items of a bundle, or of a view of it, and the bundle's kinds."""

    arrays: MeaningArrays

    @property
    def rows(self) -> int:
        """Rows of the item tables."""
        return len(self.arrays.scales)

    @property
    def kinds(self) -> int:
        """Kinds of items."""
        return len(self.arrays.kind_vectors)

    def cosines(self, vector: NDArray[np.float32]) -> NDArray[np.float32]:
        """Cosines `[rows]` of a query vector `[width]` with all items; 0 with one that has no text."""
        return _cosines(self.arrays.vectors, self.arrays.scales, vector)

    def cosines_with(self, vector: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Cosines `[n]` of a vector `[width]` with some items."""
        return _cosines(self.arrays.vectors[rows], self.arrays.scales[rows], vector)

    def kind_cosines(self, vector: NDArray[np.float32]) -> NDArray[np.float32]:
        """Cosines `[kinds]` of a query vector `[width]` with all kinds."""
        return _cosines(*self._kind_codes, vector)

    def best(
        self, cosines: NDArray[np.float32], k: int, allowed: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The highest of the cosines `[rows]` and their rows, best first, the lower row first of equal ones.

        There are `k` of them, or as many as items have a text.

        Args:
            allowed: `[rows]`, items that may be among them; all by default.
        """
        mask = self._has_text if allowed is None else self._has_text & allowed
        search = Products(self._ones, _ONE, cosines)  # a cosine times one, and one, is the cosine
        best, rows = best_items(search, min(k, self.rows), mask[None], _NOTHING_LEFT_OUT)
        count = int(np.count_nonzero(best[0] > -np.inf))
        return best[0, :count], rows[0, :count]

    def kind_of(self, vector: NDArray[np.float32]) -> int:
        """The kind that is nearest to an item's vector; `NO_KIND` for one without text, or where there are no kinds."""
        if not self.kinds or not vector.any():
            return NO_KIND
        return int(np.argmax(self.kind_cosines(vector)))

    @cached_property
    def _has_text(self) -> NDArray[np.bool_]:
        return self.arrays.scales > 0

    @cached_property
    def _ones(self) -> NDArray[np.int32]:
        return np.ones((1, self.rows), dtype=np.int32)

    @cached_property
    def _kind_codes(self) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
        return quantise_rows(self.arrays.kind_vectors)


def read_meaning_table(folder: Path, width: int, rows: int) -> MeaningTable:
    """The table of the bundle in `folder`, mapped into memory; see `read_meaning_arrays` for what is raised."""
    return MeaningTable(read_meaning_arrays(folder, width, rows))


def _cosines(vectors: NDArray[np.int8], scales: NDArray[np.float32], query: NDArray[np.float32]) -> NDArray[np.float32]:
    codes, units = quantised_queries(query[None])
    return cosines_of_rows(vectors, scales, codes[0].astype(np.int8), units[0])
