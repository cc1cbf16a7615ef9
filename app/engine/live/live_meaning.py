"""What live items mean: vectors of their texts by the bundle's encoder, and the kinds that are nearest to them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.item_content import document_text
from app.artifact.item_document import ItemDocument
from app.artifact.quantise import quantise_rows
from app.artifact.text.meaning_arrays import NO_KIND
from app.engine.live.growing import GrowingArray
from app.engine.pause import Pause, no_pause
from app.engine.snapshot import Snapshot
from app.engine.text.meaning_table import MeaningTable


class LiveMeaning:
    """The meaning of all items, for one writer, who hands out that of a moment. Kinds and their sizes are the bundle's.

    Args:
        base: the bundle; without an encoder there is no meaning, and nothing to do.
    """

    def __init__(self, base: Snapshot) -> None:
        self._table: Final = base.meaning
        self._columns: Final = None if base.encoder is None or base.meaning is None else _Columns(base.meaning)
        self._encoder: Final = base.encoder
        self._now = base.meaning

    def extend(self, rows: int) -> None:
        """Let there be so many rows: of the new ones nothing is known."""
        if self._columns is not None and rows > self._columns.span:
            self._columns.extend(rows - self._columns.span)
            self._now = None

    def take(
        self,
        documents: Mapping[int, ItemDocument],
        bundled: Mapping[int, ItemDocument | None],
        pause: Pause = no_pause,
    ) -> None:
        """Read items by what they say now, each by itself, so that a vector hangs on its text alone.

        Args:
            documents: by row; their texts are others than they were.
            bundled: what the bundle says of the same rows; None where it says nothing.
            pause: between two items.
        """
        columns, encoder, table = self._columns, self._encoder, self._table
        if columns is None or encoder is None or table is None or not documents:
            return
        as_bundled: list[int] = []
        vectors: dict[int, NDArray[np.float32]] = {}
        for row, document in documents.items():
            before, text = bundled[row], document_text(document)
            if before is not None and document_text(before) == text:
                as_bundled.append(row)
            else:
                pause()
                vectors[row] = encoder.document_vector(text)
        self.forget(as_bundled)
        if vectors:
            kinds = [table.kind_of(vector) for vector in vectors.values()]
            columns.put(
                np.fromiter(vectors, dtype=np.int64, count=len(vectors)),
                *quantise_rows(np.stack(list(vectors.values()))),
                np.array(kinds, dtype=np.int32),
            )
            self._now = None

    def forget(self, rows: Sequence[int]) -> None:
        """Give items the meaning that they have in the bundle; those that came later none."""
        if self._columns is not None and rows:
            self._columns.restore(rows)
            self._now = None

    def as_of_now(self) -> MeaningTable | None:
        """The meaning of all items at this moment; None where the bundle has no encoder."""
        if self._now is None and self._columns is not None:
            self._now = self._columns.as_of_now()
        return self._now


class _Columns:
    """The columns of `MeaningArrays` that go by row.

    Args:
        base: of the bundle.
    """

    def __init__(self, base: MeaningTable) -> None:
        self._base = base.arrays
        self._vectors = GrowingArray(base.arrays.vectors)
        self._scales = GrowingArray(base.arrays.scales)
        self._kinds = GrowingArray(base.arrays.item_kinds)

    @property
    def span(self) -> int:
        """How many rows there are."""
        return len(self._scales)

    def extend(self, count: int) -> None:
        self._vectors.extend(np.zeros((count, self._vectors.now.shape[1]), dtype=np.int8))
        self._scales.extend(np.zeros(count, dtype=np.float32))
        self._kinds.extend(np.full(count, NO_KIND, dtype=np.int32))

    def put(
        self,
        rows: NDArray[np.int64],
        vectors: NDArray[np.int8],
        scales: NDArray[np.float32],
        kinds: NDArray[np.int32],
    ) -> None:
        self._vectors.change(rows, vectors)
        self._scales.change(rows, scales)
        self._kinds.change(rows, kinds)

    def restore(self, rows: Sequence[int]) -> None:
        span = len(self._base.scales)
        bundled = np.array([row for row in rows if row < span], dtype=np.int64)
        new = np.array([row for row in rows if row >= span], dtype=np.int64)
        nothing = np.zeros((len(new), self._vectors.now.shape[1]), dtype=np.int8)
        base = self._base
        self._put_where_other(bundled, base.vectors[bundled], base.scales[bundled], base.item_kinds[bundled])
        kinds = np.full(len(new), NO_KIND, dtype=np.int32)
        self._put_where_other(new, nothing, np.zeros(len(new), dtype=np.float32), kinds)

    def as_of_now(self) -> MeaningTable:
        arrays = replace(
            self._base, vectors=self._vectors.share(), scales=self._scales.share(), item_kinds=self._kinds.share()
        )
        return MeaningTable(arrays)

    def _put_where_other(
        self,
        rows: NDArray[np.int64],
        vectors: NDArray[np.int8],
        scales: NDArray[np.float32],
        kinds: NDArray[np.int32],
    ) -> None:
        """As `put`, without a copy where rows are so already."""
        is_other = (self._vectors.now[rows] != vectors).any(axis=1)
        is_other |= (self._scales.now[rows] != scales) | (self._kinds.now[rows] != kinds)
        self.put(rows[is_other], vectors[is_other], scales[is_other], kinds[is_other])
