"""The codes of a catalogue, such as ids, SKUs and EANs, in order: looked up whole, and by how they begin."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.artifact import names
from app.artifact.arrays import load_array
from app.artifact.columns import offsets_of
from app.artifact.text.sorted_texts import SortedTexts
from app.artifact.text.words import fold_letters

LONGEST_CODE: Final = 64
"""Letters and digits of a code."""
_WRITTEN: Final = "\0"  # before how a code is written, where that is not its letters and digits alone
_TEXTS: Final = "texts"
_OFFSETS: Final = "offsets.npy"
_ROWS: Final = "rows.npy"


def bare_code(text: str) -> str:
    """The letters and digits of a code: `SKU-77 1` and `sku771` are one; empty for what is too long for a code."""
    folded = fold_letters(text)
    bare = folded if folded.isalnum() else "".join(filter(str.isalnum, folded))
    return bare if len(bare) <= LONGEST_CODE else ""


@dataclass(frozen=True)
class CodeTable:
    """Every code with the items that have it."""

    texts: SortedTexts  # [codes] bare, behind it how it is written
    offsets: NDArray[np.int64]  # [codes + 1]
    rows: NDArray[np.int32]  # of the items that have each code

    @classmethod
    def of(cls, codes: Iterable[tuple[int, str]]) -> "CodeTable":
        """The table of pairs of an item's row and one of its codes; what has no letter and no digit is left out."""
        return cls.of_keys((row, code_key(code)) for row, code in codes)

    @classmethod
    def of_keys(cls, keys: Iterable[tuple[int, str]]) -> "CodeTable":
        """As `of`, of codes as `code_key` writes them."""
        rows: dict[str, list[int]] = {}
        for row, key in keys:
            if key:
                rows.setdefault(key, []).append(row)
        texts = sorted(rows, key=str.encode)
        lists = [sorted(set(rows[text])) for text in texts]
        flat = np.array([row for of_code in lists for row in of_code], dtype=np.int32)
        return cls(SortedTexts.of(texts), offsets_of([len(of_code) for of_code in lists]), flat)

    def written(self, text: str) -> NDArray[np.int32]:
        """The rows of the items with a code that is written so, but for case and width."""
        return self.rows_with(code_key(text))

    def whole(self, text: str) -> NDArray[np.int32]:
        """The rows of the items with a code of these letters and digits."""
        return self.rows_with_bare(bare_code(text))

    def rows_with_bare(self, bare: str) -> NDArray[np.int32]:
        """The rows of the items with a code of some letters and digits, as `bare_code` writes them."""
        position = self.texts.find(bare) if bare else -1
        plain = self._rows_of(range(position, position + 1)) if position >= 0 else self.rows[:0]
        others = self._rows_of(self.texts.beginning_with(bare + _WRITTEN)) if bare else plain
        return np.union1d(plain, others) if len(others) else plain

    def beginning_with(self, text: str, most: int) -> NDArray[np.int32]:
        """The rows of the items with a code that begins with these letters and digits; none for more than `most`
        codes.
        """
        positions = self.positions_beginning_with(text)
        return np.unique(self._rows_of(positions)) if len(positions) <= most else self.rows[:0]

    def positions_beginning_with(self, text: str) -> range:
        """The places of the codes that begin with these letters and digits."""
        bare = bare_code(text)
        return self.texts.beginning_with(bare) if bare else range(0)

    def rows_at(self, position: int) -> NDArray[np.int32]:
        """The rows of the items that have the code at a place."""
        return self._rows_of(range(position, position + 1))

    def rows_with(self, key: str) -> NDArray[np.int32]:
        """The rows of the items with a code as `code_key` writes it."""
        position = self.texts.find(key)
        return self.rows_at(position) if position >= 0 else self.rows[:0]

    def keys_of(self, row: int) -> list[str]:
        """The codes of the item in a row, as `code_key` writes them; looked for among all."""
        entries = np.flatnonzero(self.rows == row)
        return [self.texts[place] for place in (np.searchsorted(self.offsets, entries, side="right") - 1).tolist()]

    def write(self, folder: Path) -> None:
        """Write it into the bundle in `folder`."""
        below = folder / names.CODES
        self.texts.write(below / _TEXTS)
        np.save(below / _OFFSETS, self.offsets)
        np.save(below / _ROWS, self.rows)

    def _rows_of(self, positions: range) -> NDArray[np.int32]:
        return self.rows[int(self.offsets[positions.start]) : int(self.offsets[positions.stop])]


def read_codes(folder: Path) -> CodeTable:
    """The codes of the bundle in `folder`, mapped into memory.

    Raises:
        OSError: a part of them is missing.
        ValueError: their arrays are not readable.
    """
    below = folder / names.CODES
    offsets, rows = (np.asarray(load_array(below / name, mmap_mode="r")) for name in (_OFFSETS, _ROWS))
    return CodeTable(SortedTexts.read(below / _TEXTS), offsets, rows)


def code_key(text: str) -> str:
    """A code as it is looked up: its letters and digits, and behind them how it is written, where that is not the same;
    empty for what is none.
    """
    bare = bare_code(text)
    written = " ".join(fold_letters(text).split())
    return bare if not bare or written == bare else bare + _WRITTEN + written
