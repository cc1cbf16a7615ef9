"""How a value that items spell in several ways is shown: in its most frequent spelling, over a bundle and its tiers."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from app.artifact.filter_columns import LEVELS
from app.engine.selection.bundle_spellings import Contested, last_level
from app.engine.selection.column import Column
from app.engine.selection.tier_column import TierColumn
from app.engine.selection.tier_layers import ColumnLayers


class ShownValues:
    """The texts of a column of a changed catalogue, as a bundle of it would show them.

    Nothing is counted of a value that live documents spell as the bundle does, and that it spells in one way only.

    Args:
        base: the bundle's column; None where no item of it has a value.
        columns: of the tiers of `layers`.
        layers: of the catalogue.
        nested: whether the values have levels.
    """

    def __init__(
        self, base: Column | None, columns: Sequence[TierColumn], layers: ColumnLayers, *, nested: bool
    ) -> None:
        self._base = base
        self._columns = columns
        self._layers = layers
        self._nested = nested

    def prepare(self) -> None:
        """Count how live documents spell their values, before anybody waits for it."""
        _ = self._counts_of_tiers
        for column in self._columns:
            _ = column.spelling_codes_of

    def of_base(self, code: int) -> str:
        """A value of the bundle."""
        if self._base is None:
            return ""
        text = self._base.text_of(code)
        parts = text.split(LEVELS) if self._nested else [text]
        folds = _paths(text.casefold()) if self._nested else [text.casefold()]
        if all(self._is_plain(fold, part) for fold, part in zip(folds, parts, strict=True)):
            return text
        neighbours = [other for other in (code - 1, code + 1) if 0 <= other < self._base.values]
        if any(self._base.text_of(other).casefold() == folds[-1] for other in neighbours):
            return text  # of a bundle that keeps its spellings apart
        return self.of_fold(folds[-1])

    def of_fold(self, fold: str) -> str:
        """A value in lower case, spelled level by level."""
        paths = _paths(fold) if self._nested else [fold]
        return LEVELS.join(map(self._most_frequent, paths))

    def _is_plain(self, fold: str, shown: str) -> bool:
        """Whether all items that have a value of the bundle spell it, or its last level, as the bundle shows it."""
        return fold not in self._contested and all(column.spells_only(fold, shown) for column in self._columns)

    def _most_frequent(self, fold: str) -> str:
        """The spelling of a value, or of the last level of a category, that most items have; of equals the first."""
        counts = self._live_counts(fold)
        place = None if self._base is None else self._base.places_of([fold])[0]
        if self._base is not None and place is not None and place[1]:
            text = self._base.text_of(place[0])
            shown = last_level(text) if self._nested else text
            for spelling, count in self._counts_of_base(self._base, place[0], fold, shown).items():
                counts[spelling] = counts.get(spelling, 0) + count
            if not any(count > 0 for count in counts.values()):
                return shown
        return min(counts, key=lambda spelling: (-counts[spelling], spelling), default=last_level(fold))

    def _counts_of_base(self, base: Column, code: int, fold: str, shown: str) -> dict[str, int]:
        """How many of the bundle's items, those that are as it has them, spell a value which way."""
        rows = base.rows_of(code)
        kept = self._layers.kept[rows]
        if fold not in self._contested or self._layers.spellings is None:
            return {shown: int(kept.sum())}
        counts = dict(self._contested[fold])
        rest = len(rows) - sum(counts.values())  # those whose own spelling the bundle does not tell
        for row in rows[~kept].tolist():
            spellings = self._layers.spellings.of_row(base, row, fold)
            rest -= not spellings
            for spelling in spellings:
                counts[spelling] -= 1
        counts[shown] = counts.get(shown, 0) + max(rest, 0)
        return counts

    @cached_property
    def _contested(self) -> Contested:
        if self._base is None or self._layers.spellings is None:
            return {}
        return self._layers.spellings.contested(self._base)

    def _live_counts(self, fold: str) -> dict[str, int]:
        """How many live documents spell a value, or its last level, which way."""
        counts: dict[str, int] = {}
        for column, of_tier in zip(self._columns, self._counts_of_tiers, strict=True):
            for code in column.spelling_codes_of.get(fold, ()):
                if count := int(of_tier[code]):
                    spelling = column.spellings[code][1]
                    counts[spelling] = counts.get(spelling, 0) + count
        return counts

    @cached_property
    def _counts_of_tiers(self) -> list[NDArray[np.int64]]:
        """Of each tier `[spellings]`, how many of its documents that are alive have each."""
        return [
            np.bincount(column.spelling_codes[of_view.alive[column.spelling_places]], minlength=len(column.spellings))
            for column, of_view in zip(self._columns, self._layers.tiers, strict=True)
        ]


def _paths(fold: str) -> list[str]:
    """A category and those above it, the topmost first."""
    parts = fold.split(LEVELS)
    return [LEVELS.join(parts[: depth + 1]) for depth in range(len(parts))]
