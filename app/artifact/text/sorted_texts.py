"""Texts in the order of their bytes, looked up and completed by bisection in two memory-mapped arrays."""

from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from app.artifact.columns import TextColumn

_PAST_ALL = b"\xff"  # no UTF-8 text has this byte: it sorts after every continuation of a text


class SortedTexts:
    """Distinct texts, ascending by their UTF-8 bytes."""

    def __init__(self, column: TextColumn) -> None:
        self.column: Final = column
        self._values = column.values.data
        self._offsets = column.offsets.data
        self._positions = range(len(column))

    def __len__(self) -> int:
        return len(self._positions)

    def __getitem__(self, position: int) -> str:
        return self._bytes(position).decode()

    def find(self, text: str) -> int:
        """The position of a text, -1 when it is not one of them."""
        key = text.encode()
        position = bisect_left(self._positions, key, key=self._bytes)
        return position if position < len(self._positions) and self._bytes(position) == key else -1

    def beginning_with(self, prefix: str) -> range:
        """The positions of the texts that begin with `prefix`, itself included."""
        start = prefix.encode()
        first = bisect_left(self._positions, start, key=self._bytes)
        return range(first, bisect_left(self._positions, start + _PAST_ALL, lo=first, key=self._bytes))

    def write(self, stem: Path) -> None:
        """Write the texts (see `TextColumn.write`)."""
        self.column.write(stem)

    @classmethod
    def of(cls, texts: Sequence[str]) -> "SortedTexts":
        """Pack `texts`, which are distinct, not empty and in order."""
        return cls(TextColumn.of(texts))

    @classmethod
    def read(cls, stem: Path) -> "SortedTexts":
        """The inverse of `write`, mapped into memory."""
        return cls(TextColumn.read(stem))

    def _bytes(self, position: int) -> bytes:
        return bytes(self._values[self._offsets[position] : self._offsets[position + 1]])


class TextsInMemory(SortedTexts):
    """As `SortedTexts`, of few texts, which are looked up faster."""

    def __init__(self, column: TextColumn) -> None:
        super().__init__(column)
        self._keys: Final = [text.encode() for text in column.all()]

    def find(self, text: str) -> int:
        """The position of a text, -1 when it is not one of them."""
        key = text.encode()
        position = bisect_left(self._keys, key)
        return position if position < len(self._keys) and self._keys[position] == key else -1

    def beginning_with(self, prefix: str) -> range:
        """The positions of the texts that begin with `prefix`, itself included."""
        start = prefix.encode()
        first = bisect_left(self._keys, start)
        return range(first, bisect_left(self._keys, start + _PAST_ALL, lo=first))
