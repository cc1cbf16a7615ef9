"""The titles of a catalogue as sequences of terms: which words stand in a title, in which order, and whole titles."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.artifact import names
from app.artifact.arrays import load_array
from app.artifact.columns import offsets_of
from app.artifact.hashing import places_of, stable_hash
from app.artifact.text.words import Word, stem

PLACES: Final = 64
"""Words of a title and its brand that are told apart; further ones are not read."""
_NOT_OF_CODES: Final = re.compile(r"[^\w+#&]|_")
_ARRAYS: Final = {
    "terms": np.int32,
    "places": np.uint8,
    "offsets": np.int64,
    "hashes": np.uint64,
    "hash_rows": np.int32,
}

Placed = Sequence[tuple[int, int]]
"""Numbers of terms, each with the place of its word."""


@dataclass(frozen=True)
class TitleTable:
    """The words of every title, and behind a gap those of its brand; and the hash of every title as a whole."""

    terms: NDArray[np.int32]  # [entries] by the vocabulary of the main field
    places: NDArray[np.uint8]  # [entries] of the words that have the terms
    offsets: NDArray[np.int64]  # [items + 2] where the entries of each row begin; row 0 has none
    hashes: NDArray[np.uint64]  # [titles] of `title_hash`, ascending
    hash_rows: NDArray[np.int32]  # [titles] the row of each

    @classmethod
    def of(cls, titles: Sequence[Placed], hashes: Sequence[int]) -> "TitleTable":
        """The table of the titles of all items from row 1 on; the hash of an item without a title is 0."""
        entries = [pair for title in titles for pair in title]
        by_row = np.array(hashes, dtype=np.uint64)
        rows = 1 + np.flatnonzero(by_row)
        order = np.argsort(by_row[rows - 1], kind="stable")
        return cls(
            terms=np.array([term for term, _ in entries], dtype=np.int32),
            places=np.array([place for _, place in entries], dtype=np.uint8),
            offsets=offsets_of([0, *map(len, titles)]),
            hashes=by_row[rows - 1][order],
            hash_rows=rows[order].astype(np.int32),
        )

    def rows_of(self, hashed: int) -> NDArray[np.int32]:
        """The rows of the items whose title has this `title_hash`, ascending; none for 0."""
        return self.hash_rows[places_of(self.hashes, hashed)] if hashed else self.hash_rows[:0]

    def write(self, folder: Path) -> None:
        """Write it into the bundle in `folder`."""
        below = folder / names.LEXICAL / names.LEXICAL_TITLES
        below.mkdir(parents=True, exist_ok=True)
        for name in _ARRAYS:
            np.save(below / f"{name}.npy", getattr(self, name))


def read_titles(folder: Path) -> TitleTable | None:
    """The titles of the bundle in `folder`, mapped into memory; None where it has none.

    Raises:
        OSError: a part of them is missing.
        ValueError: their arrays are not readable.
    """
    below = folder / names.LEXICAL / names.LEXICAL_TITLES
    if not below.exists():
        return None
    arrays = {name: np.asarray(load_array(below / f"{name}.npy", mmap_mode="r")) for name in _ARRAYS}
    return TitleTable(**arrays)


def title_hash(words: Sequence[Word]) -> int:
    """A hash of words one after another, without their endings and whatever stands between them; 0 for none."""
    text = "".join(map(_canonical, words))
    return stable_hash(text) if text else 0


def _canonical(word: Word) -> str:
    if word.kind == "code":
        return stem(_NOT_OF_CODES.sub("", word.text))
    return word.text if word.kind == "east_asian" else word.terms[0]
