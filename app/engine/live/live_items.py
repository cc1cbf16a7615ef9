"""The items of a bundle, and those that came after it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.artifact import names
from app.artifact.hashing import stable_hash
from app.engine.catalogue import Items


@dataclass(frozen=True)
class NewIds:
    """The ids of items that the bundle does not know, as of one moment, by rows from `span` on."""

    span: int  # rows of the bundle's tables
    count: int
    ids: Sequence[str]  # [count or more] grows behind `count`
    row_of: dict[str, int]  # grows likewise
    hashes: NDArray[np.uint64]  # [count] ascending
    hash_rows: NDArray[np.int32]  # [count]

    @property
    def end(self) -> int:
        """The row behind the last one."""
        return self.span + self.count

    def find(self, item_id: str) -> int:
        """The row of an id, 0 for one that is not among them."""
        row = self.row_of.get(item_id, names.PADDING_ROW)
        return row if row < self.end else names.PADDING_ROW


@dataclass(frozen=True)
class LiveItems(Items):
    """As `Items`, with rows from `span` on for items that the bundle does not know."""

    new: NewIds

    def row_of(self, item_id: str) -> int:
        """The row of an id, 0 when there is no such item. It may be absent from the catalogue."""
        row = self.ids.find(item_id) or self.new.find(item_id)
        return row or self._row_of_variant.get(item_id, names.PADDING_ROW)

    def rows_of_hashes(self, hashes: NDArray[np.uint64]) -> NDArray[np.int32]:
        """The row of each item hash, 0 where there is no such item; of any shape."""
        rows = super().rows_of_hashes(hashes)
        new = self.new
        if not new.count:
            return rows
        position = np.minimum(np.searchsorted(new.hashes, hashes), new.count - 1)
        is_new = new.hashes[position] == hashes
        return np.where(is_new, new.hash_rows[position], rows).astype(np.int32) if is_new.any() else rows

    def all_ids(self) -> "IdsByRow":
        """The ids by row, `[rows]`."""
        return IdsByRow(super().all_ids(), self.new)

    def id_of(self, row: int) -> str:
        """The id of the item in a row."""
        return self.new.ids[row - self.new.span] if row >= self.new.span else super().id_of(row)


class IdsByRow(Sequence[str]):
    """The ids of all rows, those of a bundle and those behind them; rows that are no items have none.

    Args:
        bundled: of the bundle's items by row.
        new: of those behind them.
    """

    def __init__(self, bundled: Sequence[str], new: NewIds) -> None:
        self._bundled = bundled
        self._new = new

    def __len__(self) -> int:
        return self._new.end

    def __getitem__(self, row: int) -> str:  # type: ignore[override]
        row = row if row >= 0 else row + len(self)
        if row >= self._new.span:
            return self._new.ids[row - self._new.span]
        return self._bundled[row] if row < len(self._bundled) else ""

    def __iter__(self) -> Iterator[str]:
        return (self[row] for row in range(len(self)))


class IdBook:
    """Hands out rows to new ids, in the order in which they come. For one writer.

    Args:
        span: rows of the bundle's tables.
    """

    def __init__(self, span: int) -> None:
        self._span = span
        self._ids: list[str] = []
        self._row_of: dict[str, int] = {}
        self._hashes = np.zeros(0, dtype=np.uint64)
        self._rows = np.zeros(0, dtype=np.int32)

    @property
    def span(self) -> int:
        """Rows of the bundle's tables."""
        return self._span

    @property
    def end(self) -> int:
        """The row behind the last one."""
        return self._span + len(self._ids)

    def id_of(self, row: int) -> str:
        """The id of a row from `span` on."""
        return self._ids[row - self._span]

    def find(self, item_id: str) -> int:
        """The row of an id, 0 for one that has none."""
        return self._row_of.get(item_id, names.PADDING_ROW)

    def add(self, item_ids: Sequence[str]) -> list[int]:
        """The rows of new ids, each once, in their order."""
        first = self._span + len(self._ids)
        rows = list(range(first, first + len(item_ids)))
        self._ids.extend(item_ids)
        hashes = np.fromiter(map(stable_hash, item_ids), dtype=np.uint64, count=len(item_ids))
        order = np.argsort(hashes, kind="stable")
        places = np.searchsorted(self._hashes, hashes[order])
        self._hashes = np.insert(self._hashes, places, hashes[order])
        self._rows = np.insert(self._rows, places, np.array(rows, dtype=np.int32)[order])
        self._row_of.update(zip(item_ids, rows, strict=True))  # last: a reader that sees an id has its row
        return rows

    def as_of_now(self) -> NewIds:
        """The ids so far."""
        return NewIds(self._span, len(self._ids), self._ids, self._row_of, self._hashes, self._rows)
