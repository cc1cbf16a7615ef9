"""A column of the catalogue as it is now: a bundle's, less what live documents replace, and theirs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.artifact.attribute_values import FLAGS, kind_of
from app.artifact.filter_columns import Kind
from app.engine.selection.column import ATTRIBUTES, KINDS, NO_VALUE, Column
from app.engine.selection.filters import Comparison, Value
from app.engine.selection.shown_values import ShownValues
from app.engine.selection.tier_column import TierColumn, ValueTest
from app.engine.selection.tier_layers import ColumnLayers
from app.engine.selection.value_tier import CATALOGUE_KINDS, NESTED


@dataclass(frozen=True, eq=False)
class _Pairs:
    """The pairs of an item and a value of live documents."""

    rows: NDArray[np.int64]  # [pairs]
    values: NDArray[Any]  # [pairs] numbers, or codes of the view
    fresh: Sequence[str]  # values that no item of the bundle has, in lower case and ascending
    fresh_codes: NDArray[np.int32]  # their codes in the view
    has_one_value: bool  # whether no document has several


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
        self._uses = 0  # by requests that count

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
        if not self._live.has_one_value:
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
        return [column.passing(test) for column in self._columns]

    @property
    def is_in_use(self) -> bool:
        """Whether anybody has counted its values."""
        return self._uses > 0

    def prepare(self, before: "ColumnView") -> None:
        """Make what counting needs, which takes a millisecond or two, before anybody waits for it.

        Args:
            before: the same column in the view before: values that were shown there are likely to be shown here.
        """
        _ = self._live
        if self.kind == "text":
            _ = self._codes_of_base
            self._shown.prepare()
            for code in list(before._texts):
                if code < self.values:
                    self.value_of(code)

    def value_of(self, code: int) -> Value:
        """The value of a code, its position in the order of texts; true or false in a boolean column."""
        if self.kind == "boolean":
            return bool(code)
        text = self._texts.get(code)
        if text is None:
            fresh = int(np.searchsorted(self._live.fresh_codes, code))
            is_fresh = fresh < len(self._live.fresh) and self._live.fresh_codes[fresh] == code
            text = self._shown.of_fold(self._live.fresh[fresh]) if is_fresh else self._shown.of_base(code - fresh)
            self._texts[code] = text
        return text

    def counts(self, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """`[values]`, the number of items of the mask `[span]` with each value."""
        self._uses += 1
        live = self._live
        counts = np.bincount(live.values[mask[live.rows]], minlength=self.values)
        if self._base is not None:
            counts[self._codes_of_base] += self._base.counts(mask[: len(self._layers.kept)] & self._layers.kept)
        return counts.astype(np.int64, copy=False)

    def range_of(self, mask: NDArray[np.bool_]) -> tuple[float, float, int] | None:
        """The least and the largest number among the items of the mask `[span]`, and how many of them have one."""
        self._uses += 1
        live = self._live
        hits = mask[live.rows]
        ranges = []
        if hits.any():
            values = live.values[hits]
            count = len(values) if live.has_one_value else len(np.unique(live.rows[hits]))
            ranges.append((float(values.min()), float(values.max()), count))
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
        place_of: dict[str, int] = {}
        if self.kind == "text":
            for column in self._columns:
                place_of.update(column.places_in(self._base).fresh)
        fresh = sorted(place_of)
        before: NDArray[np.int32] = np.array([place_of[fold] for fold in fresh], dtype=np.int32)
        fresh_codes = np.asarray(before + np.arange(len(fresh)), dtype=np.int32)
        has_one_value = True
        code_of = dict(zip(fresh, fresh_codes.tolist(), strict=True))
        for of_view, column in zip(self._layers.tiers, self._columns, strict=True):
            alive = of_view.alive[column.places]
            documents = column.places[alive]
            has_one_value &= bool((np.diff(documents) > 0).all())
            rows.append(of_view.tier.rows[documents])
            of_tier = column.values[alive]
            if self.kind == "text":
                places = column.places_in(self._base)
                codes = places.firsts + np.searchsorted(before, places.firsts, side="right").astype(np.int32)
                codes[[column.folds[fold] for fold in places.fresh]] = [code_of[fold] for fold in places.fresh]
                of_tier = codes[of_tier]
            values.append(of_tier)
        return _Pairs(np.concatenate(rows), np.concatenate(values), fresh, fresh_codes, has_one_value)

    @cached_property
    def _codes_of_base(self) -> NDArray[np.int64]:
        """`[values of the bundle]`, the code of each of its values in the view."""
        codes = np.arange(0 if self._base is None else self._base.values)
        before = self._live.fresh_codes - np.arange(len(self._live.fresh))
        return codes + np.searchsorted(before, codes, side="right")

    @cached_property
    def _columns(self) -> list[TierColumn]:
        """Of each tier."""
        return [of_view.tier.column(self.path, self.kind) for of_view in self._layers.tiers]

    @cached_property
    def _shown(self) -> ShownValues:
        return ShownValues(self._base, self._columns, self._layers, nested=self.nested)


def passes_without_value(comparisons: Iterable[Comparison]) -> bool:
    """Whether an item without a value passes all comparisons."""
    comparisons = tuple(comparisons)
    return bool(comparisons) and all(c.operator == "exists" and not c.value for c in comparisons)


AnyColumn = Column | ColumnView
"""A column of a bundle, or of a bundle with live changes."""
