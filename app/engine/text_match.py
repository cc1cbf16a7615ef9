"""What a query says to the catalogue: the words that were read, and how well every item matches them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class TextMatch:
    """A query, read once; immutable, and shared by all requests that ask the same."""

    text: str  # what was searched for, spelling corrected
    corrected: str | None  # `text` where it is not what was asked for
    words: tuple[str, ...]  # as they were read, folded
    scores: NDArray[np.float32]  # [rows] lexical, 0 where no word matches and for rows that are no items
    coverage: NDArray[np.float32]  # [rows] the share of the query's words, by how much they say, that an item has
    matched: NDArray[np.bool_]  # [rows] items that count as found by words
    vector: NDArray[np.float32]  # [dim] of the query's meaning, zeros where nothing is known of its n-grams

    @property
    def has_meaning(self) -> bool:
        """Whether the vector says anything."""
        return bool(self.vector.any())
