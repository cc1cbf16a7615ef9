"""The filter index of a catalogue that changes: a bundle's columns, and the values of live documents over them."""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.engine.catalogue import Items
from app.engine.pause import Pause
from app.engine.selection.column_view import AnyColumn, ColumnView, passes_without_value
from app.engine.selection.filter_index import MASK_CACHE_BYTES, FilterIndex, path_by_name
from app.engine.selection.filters import Comparison, Condition, Every, Filter, Some, Without
from app.engine.selection.item_ids import ITEM_ID, ItemIds
from app.engine.selection.mask_cache import MaskCache
from app.engine.selection.tier_layers import ColumnLayers, TierOfView
from app.engine.selection.value_tier import CATALOGUE_KINDS, ValueTier

_NEVER: Final = Some(())
_ALWAYS: Final = Every(())
_NO_TIER: Final = -1
_MOST_PREPARED: Final = 16  # columns


class FilterView(FilterIndex):
    """The columns and masks of a bundle with live documents over it; immutable, as the bundle's own index is.

    A mask is the bundle's, which outlives every change, less the items that a document replaces, and what the documents
    say. Columns are made on their first use.

    Args:
        base: of the bundle.
        tiers: of the live documents, the oldest first; of an item that several have, the newest counts.
        superseded: `[bundle rows]`, true for the items whose values come from a tier.
        selectable: `[span]`, true for the items that may be answered.
        items: whose ids filters may name.
        cache_bytes: memory limit of the cached masks.
    """

    def __init__(
        self,
        base: FilterIndex,
        tiers: Sequence[ValueTier],
        superseded: NDArray[np.bool_],
        selectable: NDArray[np.bool_],
        items: Items | None,
        cache_bytes: int = MASK_CACHE_BYTES,
    ) -> None:
        span = len(selectable)
        self.display, self.stored, self.spellings = base.display, base.stored, base.spellings
        self.selectable = selectable
        self._base = base
        self._item_ids = None if items is None else ItemIds(items, span)
        self._masks = MaskCache(cache_bytes)
        newest = np.full(span, _NO_TIER, dtype=np.int32)
        for number, tier in enumerate(tiers):
            newest[tier.rows] = number
        bundle_rows = len(base.selectable)
        kept = ~superseded & selectable[:bundle_rows] & (newest[:bundle_rows] == _NO_TIER)
        alive = [(newest[tier.rows] == number) & selectable[tier.rows] for number, tier in enumerate(tiers)]
        self.kept: Final = kept
        """`[bundle rows]`, the items whose values are as the bundle has them."""
        self._tiers = [TierOfView(*pair) for pair in zip(tiers, alive, strict=True)]
        self._layers = ColumnLayers(span, kept, self._tiers, base.spellings)
        self._newest_ids: tuple[tuple[Comparison, ...], NDArray[np.bool_]] | None = None
        self._columns: dict[str, ColumnView] = {}
        known = base.stored.keys()
        fresh = {path for of_view in self._tiers for path in of_view.paths(known)}
        of_catalogue = [path for path in CATALOGUE_KINDS if path in fresh or path in known]
        self._path_of = path_by_name([*of_catalogue, *known, *sorted(fresh)]) if fresh else base.path_of

    def prepare(self, before: FilterIndex, pause: Pause) -> None:
        """Make what the facets need that were asked of the view before, so that no request has to wait for it.

        Args:
            before: that view.
            pause: between two columns.
        """
        if isinstance(before, FilterView):
            used = [column for column in list(before._columns.values()) if column.is_in_use]
            for column in used[:_MOST_PREPARED]:
                pause()
                self._view_of(column.path).prepare(column)

    @property
    def base(self) -> FilterIndex:
        """The bundle's own, without any live change."""
        return self._base

    def _column_of(self, path: str) -> AnyColumn:
        return self._view_of(path)

    def _view_of(self, path: str) -> ColumnView:
        column = self._columns.get(path)
        if column is None:
            column = self._columns.setdefault(path, ColumnView(path, self._base.stored.get(path), self._layers))
        return column

    def _passing(self, condition: Filter) -> NDArray[np.bool_]:
        passing = np.zeros(len(self.selectable), dtype=np.bool_)
        np.logical_and(self._of_base(condition), self.kept, out=passing[: len(self.kept)])
        start, of_tiers = 0, self._of_documents(condition)
        for of_view in self._tiers:
            end = start + len(of_view.tier)
            passing[of_view.tier.rows[of_tiers[start:end] & of_view.alive]] = True
            start = end
        return passing

    def _of_base(self, condition: Filter) -> NDArray[np.bool_]:
        """`[bundle rows]`, the items that pass as the bundle has them; any value in rows that are no items."""
        if ITEM_ID not in columns_of(condition):
            return self._base.mask(self._for_base(condition))
        match condition:
            case Condition(_, comparisons):  # an id may mean another item since
                return self._with_ids(comparisons)[: len(self.kept)]
            case Without(part):
                return ~self._of_base(part)
            case Every(parts):
                return np.asarray(np.logical_and.reduce([self._of_base(part) for part in parts]), dtype=np.bool_)
            case Some(parts):
                return np.asarray(np.logical_or.reduce([self._of_base(part) for part in parts]), dtype=np.bool_)

    def _for_base(self, condition: Filter) -> Filter:
        """The filter, with what it says of columns that the bundle does not have put as what its items make of it."""
        if columns_of(condition) <= self._base.stored.keys():
            return condition
        match condition:
            case Condition(_, comparisons):
                return _ALWAYS if passes_without_value(comparisons) else _NEVER
            case Without(part):
                return Without(self._for_base(part))
            case Every(parts):
                return Every(tuple(map(self._for_base, parts)))
            case Some(parts):
                return Some(tuple(map(self._for_base, parts)))

    def _of_documents(self, condition: Filter) -> NDArray[np.bool_]:
        """`[documents of all tiers]`, those that pass."""
        match condition:
            case Condition(name, comparisons):
                if name == ITEM_ID:
                    passing = self._with_ids(comparisons)
                    return _joined(passing[of_view.tier.rows] for of_view in self._tiers)
                return _joined(self._view_of(name).passing_of_tiers(comparisons))
            case Without(part):
                return ~self._of_documents(part)
            case Every(parts):
                passing = np.ones(sum(len(of_view.tier) for of_view in self._tiers), dtype=np.bool_)
                for part in parts:
                    passing &= self._of_documents(part)
                return passing
            case Some(parts):
                passing = np.zeros(sum(len(of_view.tier) for of_view in self._tiers), dtype=np.bool_)
                for part in parts:
                    passing |= self._of_documents(part)
                return passing

    def _with_ids(self, comparisons: tuple[Comparison, ...]) -> NDArray[np.bool_]:
        """`[span]`, the items whose ids pass; a list of ids is looked up once for all that a mask is made of."""
        newest = self._newest_ids
        if newest is None or newest[0] is not comparisons:
            newest = comparisons, self._comparable(ITEM_ID, ITEM_ID).passing(comparisons)
            self._newest_ids = newest
        return newest[1]


def with_tiers(
    base: FilterIndex,
    tiers: Sequence[ValueTier],
    superseded: NDArray[np.bool_],
    selectable: NDArray[np.bool_],
    items: Items | None,
) -> FilterIndex:
    """The filter index of a bundle with live documents over it; the bundle's own where nothing is changed.

    Args:
        base: of the bundle.
        tiers: of the live documents, the oldest first; of an item that several have, the newest counts.
        superseded: `[bundle rows]`, true for the items whose values come from a tier.
        selectable: `[span]`, true for the items that may be answered.
        items: whose ids filters may name.
    """
    if not tiers and not superseded.any() and np.array_equal(selectable, base.selectable):
        return base
    return FilterView(base, tiers, superseded, selectable, items)


def columns_of(condition: Filter) -> frozenset[str]:
    """The paths of the columns that a filter names."""
    match condition:
        case Condition(column, _):
            return frozenset((column,))
        case Without(part):
            return columns_of(part)
        case Every(parts) | Some(parts):
            return frozenset().union(*map(columns_of, parts))


def _joined(parts: Iterable[NDArray[np.bool_]]) -> NDArray[np.bool_]:
    return np.concatenate([np.zeros(0, dtype=np.bool_), *parts])
