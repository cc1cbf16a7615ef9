"""The codes of all items as they are now: those of a bundle, and those of live tiers."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from app.artifact.text.codes import CodeTable, bare_code, code_key
from app.engine.text.live_rows import LiveRows, TierRows, merged_rows


@dataclass(frozen=True, eq=False)
class LiveCodes:
    """As `CodeTable`; the tables of tiers name documents."""

    base: CodeTable | None
    live: LiveRows
    tiers: tuple[CodeTable, ...]

    def written(self, text: str) -> NDArray[np.int32]:
        """The rows of the items with a code that is written so, but for case and width."""
        key = code_key(text)
        return self._rows(lambda table: table.rows_with(key))

    def whole(self, text: str) -> NDArray[np.int32]:
        """The rows of the items with a code of these letters and digits."""
        bare = bare_code(text)
        return self._rows(lambda table: table.rows_with_bare(bare))

    def beginning_with(self, text: str, most: int) -> NDArray[np.int32]:
        """The rows of the items with a code that begins with these letters and digits; none for more than `most`
        codes.
        """
        keys: set[str] = set()
        parts = []
        for table, rows_of in self._tables:
            positions = table.positions_beginning_with(text)
            for position in positions:
                rows = rows_of(table.rows_at(position))
                if len(rows):
                    keys.add(table.texts[position])
                    parts.append(rows)
                if len(keys) > most:
                    return np.zeros(0, dtype=np.int32)
        return np.unique(np.concatenate(parts)) if parts else np.zeros(0, dtype=np.int32)

    def _rows(self, look_up: Callable[[CodeTable], NDArray[np.int32]]) -> NDArray[np.int32]:
        parts = ((look_up(table), rows_of) for table, rows_of in self._tables)
        return merged_rows([rows_of(rows) for rows, rows_of in parts if len(rows)])

    @cached_property
    def _tables(self) -> list[tuple[CodeTable, Callable[[NDArray[np.int32]], NDArray[np.int32]]]]:
        """Each table, and which rows what it names has now."""
        of_base = [] if self.base is None else [(self.base, self.live.of_base)]
        return [*of_base, *((table, _rows_in(rows)) for table, rows in zip(self.tiers, self.live.tiers, strict=True))]


def _rows_in(tier: TierRows) -> Callable[[NDArray[np.int32]], NDArray[np.int32]]:
    def rows_of(documents: NDArray[np.int32]) -> NDArray[np.int32]:
        return tier.rows[documents[tier.is_alive[documents]]]

    return rows_of
