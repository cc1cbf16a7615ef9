"""A column of the catalogue as it is now: a bundle's, less what live documents replace, and theirs."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.artifact.attribute_values import FLAGS, kind_of
from app.artifact.filter_columns import LEVELS, Kind
from app.engine.selection.bundle_spellings import BundleSpellings, last_level
from app.engine.selection.column import ATTRIBUTES, KINDS, NO_VALUE, Column
from app.engine.selection.filters import Comparison, Value
from app.engine.selection.tier_column import TierColumn, ValueTest
from app.engine.selection.value_tier import CATALOGUE_KINDS, NESTED, ValueTier


@dataclass(frozen=True, eq=False)
class TierOfView:
    """A tier, and which of its documents are the newest of their items, which may be answered."""

    tier: ValueTier
    alive: NDArray[np.bool_]  # [documents]

    def paths(self, known: Set[str]) -> set[str]:
        """The paths of columns in which a document that is alive has a value, but for those that are known."""
        paths = self.tier.paths - known
        alive = np.flatnonzero(self.alive).tolist() if paths else ()
        return {path for path in paths if any(path in self.tier.values[place].by_path for place in alive)}


@dataclass(frozen=True, eq=False)
class ColumnLayers:
    """What all columns of a view share."""

    span: int  # rows of the item tables
    kept: NDArray[np.bool_]  # [bundle rows] the items that are as the bundle has them
    tiers: Sequence[TierOfView]  # the oldest first
    spellings: BundleSpellings | None  # of the bundle's items; None where its texts are unknown


@dataclass(frozen=True, eq=False)
class _Pairs:
    """The pairs of an item and a value of live documents."""

    rows: NDArray[np.int64]  # [pairs]
    values: NDArray[Any]  # [pairs] numbers, or codes of the view
    fresh: Sequence[str]  # values that no item of the bundle has, in lower case and ascending
    fresh_codes: NDArray[np.int32]  # their codes in the view


class ColumnView:
    """A column with the methods of a bundle's. Whatever hangs on which values there are is decided over all tiers.

    Args:
        path: the name that no other column has.
        stored: the bundle's column; None where it has none of that name.
        layers: what it has in common with the other columns.
    """

    def __init__(self, path: str, stored: Column | None, layers: ColumnLayers) -> None:
        self.path = path
        self._stored = stored
        self._base = stored if stored is not None and stored.pairs else None  # the bundle's, where it has values
        self._layers = layers
        self._texts: dict[int, str] = {}  # by code

    @property
    def name(self) -> str:
        """The name in the catalogue."""
        return self.path.removeprefix(ATTRIBUTES)

    @property
    def attribute(self) -> bool:
        """Whether it is the shop's own, rather than a column that every catalogue may have."""
        return self.path.startswith(ATTRIBUTES)

    @property
    def nested(self) -> bool:
        """Whether its values have levels, and an item with a value those above it, too."""
        return self.path == NESTED if self._stored is None else self._stored.nested

    @property
    def by_reference(self) -> bool:
        """Whether nearly every item has a value of its own."""
        return self._stored is not None and self._stored.by_reference

    @cached_property
    def kind(self) -> Kind:
        """The kind of its values: the bundle's, and of an attribute that has none there what all live values are."""
        if self._base is not None:
            return self._base.kind
        return kind_of(self._live_texts) if self.attribute else CATALOGUE_KINDS[self.path]

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of the values that it may be compared with: any, where no item has a value of an attribute."""
        if self.attribute and self._base is None and not self._live_texts:
            return KINDS
        return (self.kind,)

    @cached_property
    def pairs(self) -> int:
        """The number of pairs of an item and a value of it."""
        return self._base_pairs + len(self._live.rows)

    @property
    def values(self) -> int:
        """The number of distinct values, some of which may be without items; 0 for numbers."""
        if self.kind == "boolean":
            return len(FLAGS)
        return (0 if self._base is None else self._base.values) + len(self._live.fresh)

    @cached_property
    def has_one_value(self) -> bool:
        """Whether no item has several values; the levels of one category count as one."""
        if self.nested:
            return True
        rows = self._live.rows
        if len(np.unique(rows)) < len(rows):
            return False
        if self._base is None or self._base.has_one_value:
            return True
        return int((self._base.passing(()) & self._layers.kept).sum()) == self._base_pairs

    def passing(self, comparisons: Iterable[Comparison]) -> NDArray[np.bool_]:
        """`[span]`, the items with a value that passes all comparisons."""
        comparisons = tuple(comparisons)
        layers = self._layers
        passing = np.zeros(layers.span, dtype=np.bool_)
        of_base = passing[: len(layers.kept)]
        if self._stored is not None:
            of_base |= self._stored.passing(comparisons)
        else:
            of_base |= passes_without_value(comparisons)
        of_base &= layers.kept
        for of_view, passes in zip(layers.tiers, self.passing_of_tiers(comparisons), strict=True):
            passing[of_view.tier.rows[passes & of_view.alive]] = True
        return passing

    def passing_of_tiers(self, comparisons: Iterable[Comparison]) -> list[NDArray[np.bool_]]:
        """Of each tier `[documents]`, those with a value that passes all comparisons."""
        test = ValueTest.of(comparisons, nested=self.nested)
        return [self._tier_column(of_view).passing(test) for of_view in self._layers.tiers]

    def value_of(self, code: int) -> Value:
        """The value of a code, its position in the order of texts; true or false in a boolean column."""
        if self.kind == "boolean":
            return bool(code)
        text = self._texts.get(code)
        if text is None:
            fresh = int(np.searchsorted(self._live.fresh_codes, code))
            is_fresh = fresh < len(self._live.fresh) and self._live.fresh_codes[fresh] == code
            text = self._spelled(self._live.fresh[fresh], None) if is_fresh else self._spelled_of_base(code - fresh)
            self._texts[code] = text
        return text

    def counts(self, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """`[values]`, the number of items of the mask `[span]` with each value."""
        live = self._live
        counts = np.bincount(live.values[mask[live.rows]], minlength=self.values)
        if self._base is not None:
            counts[self._codes_of_base] += self._base.counts(mask[: len(self._layers.kept)] & self._layers.kept)
        return counts.astype(np.int64, copy=False)

    def range_of(self, mask: NDArray[np.bool_]) -> tuple[float, float, int] | None:
        """The least and the largest number among the items of the mask `[span]`, and how many of them have one."""
        live = self._live
        hits = mask[live.rows]
        ranges = []
        if hits.any():
            values = live.values[hits]
            ranges.append((float(values.min()), float(values.max()), len(np.unique(live.rows[hits]))))
        kept = mask[: len(self._layers.kept)] & self._layers.kept
        if self._base is not None and (of_base := self._base.range_of(kept)) is not None:
            ranges.append(of_base)
        if not ranges:
            return None
        least, largest, counts = zip(*ranges, strict=True)
        return min(least), max(largest), sum(counts)

    @cached_property
    def codes(self) -> NDArray[np.int32]:
        """`[span]`, the code of every item's value, -1 for none; of the levels of a category the deepest."""
        codes = np.full(self._layers.span, NO_VALUE, dtype=np.int32)
        if self._base is not None:
            of_base = self._base.codes
            if len(self._live.fresh):
                of_base = np.append(self._codes_of_base, NO_VALUE).astype(np.int32)[of_base]
            codes[: len(of_base)] = np.where(self._layers.kept, of_base, NO_VALUE)
        np.maximum.at(codes, self._live.rows, self._live.values.astype(np.int32, copy=False))
        return codes

    @cached_property
    def least(self) -> NDArray[np.float64]:
        """`[span]`, the least number of every item, NaN for none."""
        least = np.full(self._layers.span, np.nan)
        if self._base is not None:
            least[: len(self._layers.kept)] = np.where(self._layers.kept, self._base.least, np.nan)
        np.fmin.at(least, self._live.rows, self._live.values)
        return least

    @cached_property
    def _live_texts(self) -> set[str]:
        """The values of an attribute in the documents that are alive."""
        texts: set[str] = set()
        for of_view in self._layers.tiers:
            if self.path in of_view.tier.paths:
                values = of_view.tier.values
                for place in np.flatnonzero(of_view.alive).tolist():
                    texts.update(map(str, values[place].by_path.get(self.path, ())))
        return texts

    @cached_property
    def _base_pairs(self) -> int:
        """The pairs of the bundle's items that are as it has them."""
        return 0 if self._base is None else int(np.count_nonzero(self._layers.kept.take(self._base.stored.rows)))

    @cached_property
    def _live(self) -> _Pairs:
        """The pairs of the documents that are alive."""
        rows: list[NDArray[np.int64]] = [np.zeros(0, dtype=np.int64)]
        values: list[NDArray[Any]] = [np.zeros(0, dtype=np.float64 if self.kind == "number" else np.int32)]
        ids: dict[str, int] = {}
        for of_view in self._layers.tiers:
            column = self._tier_column(of_view)
            alive = of_view.alive[column.places]
            rows.append(of_view.tier.rows[column.places[alive]])
            of_tier = column.values[alive]
            if self.kind == "text":
                places = [ids.setdefault(fold, len(ids)) for fold in column.folds]
                of_tier = np.array(places, dtype=np.int32)[of_tier]
            values.append(of_tier)
        joined = np.concatenate(values)
        if self.kind != "text":
            return _Pairs(np.concatenate(rows), joined, (), np.zeros(0, dtype=np.int32))
        folds = list(ids)
        places_of = [(0, False)] * len(folds) if self._base is None else self._base.places_of(folds)
        fresh = sorted(fold for fold, (_, known) in zip(folds, places_of, strict=True) if not known)
        firsts = dict(zip(folds, places_of, strict=True))
        fresh_codes = np.array([firsts[fold][0] + index for index, fold in enumerate(fresh)], dtype=np.int32)
        code_of = dict(zip(fresh, fresh_codes.tolist(), strict=True))
        before = np.array([firsts[fold][0] for fold in fresh], dtype=np.int32)
        codes = [
            code_of[fold] if fold in code_of else place + int(np.searchsorted(before, place, side="right"))
            for fold, (place, _) in zip(folds, places_of, strict=True)
        ]
        return _Pairs(np.concatenate(rows), np.array(codes, dtype=np.int32)[joined], fresh, fresh_codes)

    @cached_property
    def _codes_of_base(self) -> NDArray[np.int64]:
        """`[values of the bundle]`, the code of each of its values in the view."""
        codes = np.arange(0 if self._base is None else self._base.values)
        before = self._live.fresh_codes - np.arange(len(self._live.fresh))
        return codes + np.searchsorted(before, codes, side="right")

    @cached_property
    def _live_spellings(self) -> Mapping[str, Mapping[str, int]]:
        """Of each value of a live document, in lower case, how many of them spell it, or its last level, which way."""
        spellings: dict[str, dict[str, int]] = {}
        for of_view in self._layers.tiers:
            column = self._tier_column(of_view)
            alive = of_view.alive[column.spelling_places]
            counts = np.bincount(column.spelling_codes[alive], minlength=len(column.spellings))
            for (fold, spelling), count in zip(column.spellings, counts.tolist(), strict=True):
                if count:
                    of_value = spellings.setdefault(fold, {})
                    of_value[spelling] = of_value.get(spelling, 0) + count
        return spellings

    def _tier_column(self, of_view: TierOfView) -> TierColumn:
        return of_view.tier.column(self.path, self.kind)

    def _spelled_of_base(self, code: int) -> str:
        """A value of the bundle in its most frequent spelling."""
        if self._base is None:
            return ""
        text = self._base.text_of(code)
        fold = text.casefold()
        neighbours = [other for other in (code - 1, code + 1) if 0 <= other < self._base.values]
        if any(self._base.text_of(other).casefold() == fold for other in neighbours):
            return text  # of a bundle that keeps its spellings apart
        return self._spelled(fold, text)

    def _spelled(self, fold: str, text: str | None) -> str:
        """A value in its most frequent spelling, level by level; `text` is how the bundle spells it, if it does."""
        if not self.nested:
            return self._most_frequent(fold, text)
        parts = fold.split(LEVELS)
        paths = [LEVELS.join(parts[: depth + 1]) for depth in range(len(parts))]
        return LEVELS.join(self._most_frequent(path, self._text_of_base(path)) for path in paths)

    def _text_of_base(self, fold: str) -> str | None:
        """How the bundle spells a value, None where it does not have it."""
        if self._base is None:
            return None
        ((code, known),) = self._base.places_of([fold])
        return self._base.text_of(code) if known else None

    def _most_frequent(self, fold: str, text: str | None) -> str:
        """The spelling of a value, or of the last level of a category, that most items have; of equals the first."""
        counts = dict(self._live_spellings.get(fold, {}))
        if text is not None and self._base is not None:
            shown = last_level(text) if self.nested else text
            contested = {} if self._layers.spellings is None else self._layers.spellings.contested(self._base)
            if fold not in contested and counts.keys() <= {shown}:
                return shown
            for spelling, count in self._spellings_of_base(fold, shown, contested.get(fold, {})).items():
                counts[spelling] = counts.get(spelling, 0) + count
            if not any(count > 0 for count in counts.values()):
                return shown
        return min(counts, key=lambda spelling: (-counts[spelling], spelling), default=fold)

    def _spellings_of_base(self, fold: str, shown: str, contested: Mapping[str, int]) -> dict[str, int]:
        """How many of the bundle's items, those that are as it has them, spell a value which way."""
        if self._base is None:
            return {}
        ((code, _),) = self._base.places_of([fold])
        rows = self._base.rows_of(code)
        kept = self._layers.kept[rows]
        if not contested or self._layers.spellings is None:
            return {shown: int(kept.sum())}
        counts = dict(contested)
        rest = len(rows) - sum(counts.values())  # those whose own spelling the bundle does not tell
        for row in rows[~kept].tolist():
            spellings = set(self._layers.spellings.of_row(self._base, row, fold))
            rest -= not spellings
            for spelling in spellings:
                counts[spelling] -= 1
        counts[shown] = counts.get(shown, 0) + max(rest, 0)
        return counts


def passes_without_value(comparisons: Iterable[Comparison]) -> bool:
    """Whether an item without a value passes all comparisons."""
    comparisons = tuple(comparisons)
    return bool(comparisons) and all(c.operator == "exists" and not c.value for c in comparisons)


AnyColumn = Column | ColumnView
"""A column of a bundle, or of a bundle with live changes."""
