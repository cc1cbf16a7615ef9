"""Where live items stand: new ones by their text and attributes, those of the bundle moved by what they say now."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.item_document import ItemDocument
from app.artifact.quantise import quantise_rows
from app.artifact.rank_tables import RankTables
from app.engine.live.live_retriever import PlacedRows
from app.engine.live.live_tables import PLACED_COLUMNS, LiveTables
from app.engine.pause import Pause, no_pause
from app.engine.placer import Placed, Placer
from app.engine.snapshot import Snapshot

_LEAST_LENGTH: Final = 1e-6


class PlacedItems:
    """The rows whose vectors are not the bundle's. For one writer.

    Args:
        base: the bundle; without the part that places items new ones have no vector, and old ones keep theirs.
    """

    def __init__(self, base: Snapshot) -> None:
        self._placer = base.placer
        self._tables = base.tables
        self._rows: set[int] = set()

    def take(
        self,
        tables: LiveTables,
        documents: Mapping[int, ItemDocument],
        bundled: Mapping[int, ItemDocument | None],
        pause: Pause = no_pause,
    ) -> None:
        """Place items by what they say now.

        Args:
            tables: that hold the vectors.
            documents: by row.
            bundled: of the rows that the bundle has, what it says of them; None for an item that it knows only from
                what people did with it, which stays where that puts it.
            pause: between two items.
        """
        if self._placer is None:
            return
        new = {row: document for row, document in documents.items() if row not in bundled}
        placed: dict[int, Placed | _Moved] = dict(
            zip(new, self._placer.place_all(list(new.values()), pause), strict=True)
        )
        as_bundled: list[int] = []
        for row, document in documents.items():
            if row not in new and (before := bundled[row]) is not None:
                if document.stands_where(before):
                    as_bundled.append(row)
                else:
                    pause()
                    placed[row] = self._moved(self._placer, row, before, document)
        self.forget(tables, as_bundled)
        if not placed:
            return
        columns = {
            "vectors": np.stack([item.vector for item in placed.values()]),
            "scales": np.array([item.scale for item in placed.values()], dtype=np.float32),
            "score_scales": np.array([item.score_scale for item in placed.values()], dtype=np.float32),
            "content": np.stack([item.content for item in placed.values()]),
            "content_scales": np.array([item.content_scale for item in placed.values()], dtype=np.float32),
        }
        tables.place(np.fromiter(placed, dtype=np.int64, count=len(placed)), columns)
        self._rows |= placed.keys()

    def forget(self, tables: LiveTables, rows: Sequence[int]) -> None:
        """Put items where the bundle has them; new ones nowhere."""
        tables.restore(rows, PLACED_COLUMNS)
        self._rows.difference_update(rows)

    def rows(self) -> NDArray[np.int64]:
        """All of them, ascending."""
        return np.array(sorted(self._rows), dtype=np.int64)

    def _moved(self, placer: Placer, row: int, before: ItemDocument, document: ItemDocument) -> "_Moved":
        """An item of the bundle where its own vector and the difference of what it says put it."""
        old, new = placer.place_all([before, document])
        tables = self._tables
        scale = tables.scales[row]
        length = tables.score_scales[row] / scale if scale > 0 else np.float32(0.0)
        vector = tables.vectors[row].astype(np.float32) * scale * length
        vector += new.unit * new.length - old.unit * old.length
        moved_length = np.float32(np.sqrt(np.square(vector).sum()))
        unit = vector / max(moved_length, np.float32(_LEAST_LENGTH))
        vectors, scales = quantise_rows(unit[None], placer.weight_bits)
        return _Moved(vectors[0], scales[0], scales[0] * moved_length, new.content, new.content_scale)


class _Moved:
    """As `Placed`, as far as tables hold it."""

    __slots__ = ("content", "content_scale", "scale", "score_scale", "vector")

    def __init__(self, vector: Any, scale: Any, score_scale: Any, content: Any, content_scale: Any) -> None:
        self.vector, self.scale, self.score_scale = vector, scale, score_scale
        self.content, self.content_scale = content, content_scale


def placed_rows(tables: RankTables, rows: NDArray[np.int64]) -> PlacedRows:
    """What retrieval reads of placed items."""
    return PlacedRows(rows, tables.vectors[rows].astype(np.float32), tables.score_scales[rows])
