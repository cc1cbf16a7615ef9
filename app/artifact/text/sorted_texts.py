"""Texts in the order of their bytes, found and completed by bisection: two flat arrays, mapped, no object a text."""

from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path

from app.artifact.columns import TextColumn

_PAST_ALL = b"\xff"  # no UTF-8 text has this byte, so that it stands behind all that a text may go on with


class SortedTexts:
    """Distinct texts, ascending by their UTF-8 bytes.

    Args:
        column: of the texts.
    """

    def __init__(self, column: TextColumn) -> None:
        self._column = column
        self._values = column.values.data
        self._offsets = column.offsets.data
        self._places = range(len(column))

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, place: int) -> str:
        return self._bytes(place).decode()

    def find(self, text: str) -> int:
        """The place of a text, -1 when it is not there."""
        wanted = text.encode()
        place = bisect_left(self._places, wanted, key=self._bytes)
        return place if place < len(self._places) and self._bytes(place) == wanted else -1

    def beginning_with(self, prefix: str) -> range:
        """The places of the texts that begin with `prefix`, itself among them."""
        wanted = prefix.encode()
        first = bisect_left(self._places, wanted, key=self._bytes)
        return range(first, bisect_left(self._places, wanted + _PAST_ALL, lo=first, key=self._bytes))

    def write(self, stem: Path) -> None:
        """Write the column (see `TextColumn.write`)."""
        self._column.write(stem)

    @classmethod
    def of(cls, texts: Sequence[str]) -> "SortedTexts":
        """Pack `texts`, which are distinct, not empty and in order."""
        return cls(TextColumn.of(texts))

    @classmethod
    def read(cls, stem: Path) -> "SortedTexts":
        """The inverse of `write`, mapped into memory."""
        return cls(TextColumn.read(stem))

    def _bytes(self, place: int) -> bytes:
        return bytes(self._values[self._offsets[place] : self._offsets[place + 1]])
