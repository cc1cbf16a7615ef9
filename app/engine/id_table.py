"""The ids of a bundle's items by row, and the rows by id: mapped text and its hashes, of which few are ever read."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final, overload

import numpy as np
from numpy.typing import NDArray

from app.artifact import names
from app.artifact.columns import TextColumn
from app.artifact.hashing import stable_hash
from app.artifact.method_cache import cache_of_method

_HASHES_TOGETHER: Final = 4  # bits
_KEPT: Final = 16_384  # ids, and rows: what is popular is asked for and answered again and again


class SortedIds(Sequence[str]):
    """The ids of the items that have one, ascending; each is read when it is asked for."""

    def __init__(self, texts: TextColumn) -> None:
        by_row = texts.all()
        rows = sorted(filter(by_row.__getitem__, range(len(by_row))), key=by_row.__getitem__)
        self._texts = texts
        self._rows = np.array(rows, dtype=np.int32)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: int) -> str:  # type: ignore[override]
        return self._texts[self._rows[place]] or ""


class IdTable(Sequence[str]):
    """`ids[row]` for rows `0..n`, or from the end as of a list; row 0 has none.

    As texts in a list and a table of them, a million ids take 180 MB and a second of a start.

    Args:
        texts: `[n + 1]` by row.
        hashes: ascending, the stable hash of each item, and perhaps of what else means one.
        hash_rows: the row of each hash.
    """

    def __init__(self, texts: TextColumn, hashes: NDArray[np.uint64], hash_rows: NDArray[np.int32]) -> None:
        self._texts = texts
        self._hash_rows = hash_rows
        bits = max(0, len(hashes).bit_length() - _HASHES_TOGETHER)
        self._shift = 64 - bits
        bounds = np.arange(1 << bits, dtype=np.uint64) << np.uint64(self._shift % 64)
        self._starts = np.append(hashes.searchsorted(bounds), len(hashes)).astype(np.int32).data
        self._hashes = hashes.data
        self._text_of = cache_of_method(self._read, _KEPT)
        self.find = cache_of_method(self._find, _KEPT)
        """The row of an id, 0 when no item has it."""

    def __len__(self) -> int:
        return len(self._texts)

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> list[str]: ...
    def __getitem__(self, row: int | slice) -> str | list[str]:
        if isinstance(row, slice):
            return [self[place] for place in range(*row.indices(len(self)))]
        row = int(row)
        return self._text_of(row if row >= 0 else row + len(self))

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts.all())

    def ascending(self) -> SortedIds:
        """The ids of all items, in their order."""
        return SortedIds(self._texts)

    def _read(self, row: int) -> str:
        return self._texts[row] or ""

    def _find(self, item_id: str) -> int:
        if not item_id:
            return names.PADDING_ROW
        hashed, row = stable_hash(item_id), names.PADDING_ROW
        part = hashed >> self._shift  # of those that begin alike: hashes are spread evenly
        place = bisect_left(self._hashes, hashed, self._starts[part], self._starts[part + 1])
        while place < len(self._hashes) and self._hashes[place] == hashed:
            other = int(self._hash_rows[place])
            row = other if self._read(other) == item_id else row
            place += 1
        return row
