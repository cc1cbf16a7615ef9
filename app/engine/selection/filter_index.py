"""All columns of a bundle that filters, facets and orders may name, and the masks of filters over them."""

import difflib
import unicodedata
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.filter_columns import FilterColumn, read_filter_columns
from app.engine.catalogue import Catalogue, Items
from app.engine.selection.column import ATTRIBUTES, Column
from app.engine.selection.filter_parsing import FilterBudget, parse_filter
from app.engine.selection.filters import Condition, Every, Filter, Some, Without
from app.engine.selection.item_ids import ItemIds
from app.engine.selection.mask_cache import MaskCache
from app.errors import InvalidRequest

MASK_CACHE_BYTES: Final = 64 * 2**20
_MOST_COMPARED: Final = 200  # names that a misspelled one is compared with


class FilterIndex:
    """Columns by name, and masks of filters, the newest of which are cached.

    Args:
        selectable: `[rows]`, true for real items.
        display: names of columns that answers return, and that are none here.
        cache_bytes: memory limit of the cached masks and of the filters that they are kept by.
        item_ids: what filters of `item_id` compare with; None where none is known.
    """

    def __init__(
        self,
        columns: Iterable[Column],
        selectable: NDArray[np.bool_],
        display: Collection[str] = (),
        cache_bytes: int = MASK_CACHE_BYTES,
        item_ids: ItemIds | None = None,
    ) -> None:
        self._display = frozenset(display)
        columns = list(columns)
        self._by_name: dict[str, Column] = {c.name: c for c in columns if not c.stored.entry.attribute}
        for column in columns:
            if column.stored.entry.attribute:
                self._by_name.setdefault(column.path, column)
                self._by_name.setdefault(column.name, column)
        self._item_ids = item_ids
        self._selectable = selectable
        self._masks = MaskCache(cache_bytes)

    @property
    def names(self) -> list[str]:
        """The shortest name of every column."""
        return [name for name, column in self._by_name.items() if name == column.name or self._is_hidden(column)]

    def has(self, name: str) -> bool:
        """Whether there is a column of that name."""
        return name in self._by_name

    def column(self, name: str, path: str) -> Column:
        """The column of a name; an attribute may be written with `attributes.` before it.

        Raises:
            InvalidRequest: there is none; the message has `path` and the likeliest names.
        """
        name = name if name.isascii() else unicodedata.normalize("NFC", name)
        column = self._by_name.get(name)
        if column is None and name in self._display:
            raise InvalidRequest(
                f"{path}: {name[:60]!r} is for display only: `fields` returns it, and nothing is filtered, counted or "
                "ordered by it; name it under attributes of [items] to do so",
                path,
            )
        if column is None:
            raise InvalidRequest(
                f"{path}: the catalogue has no column or attribute {name[:60]!r}; {self._hint(name)}", path
            )
        return column

    def parse(self, tree: Any, path: str = "filter", budget: FilterBudget | None = None) -> Filter:
        """The filter of a JSON document, checked against the columns; `budget` is that of its request.

        Raises:
            InvalidRequest: names the path within the request, what was expected and what it got.
        """
        return parse_filter(tree, self._comparable, path, budget)

    def mask(self, condition: Filter) -> NDArray[np.bool_]:
        """`[rows]`, the items that pass; the array is shared and read-only."""
        mask = self._masks.get(condition)
        if mask is None:
            mask = self._passing(condition) & self._selectable
            mask.flags.writeable = False
            self._masks.put(condition, mask)
        return mask

    def has_mask(self, condition: Filter) -> bool:
        """Whether the mask of a filter is kept, so that it costs nothing."""
        return self._masks.get(condition) is not None

    def _passing(self, condition: Filter) -> NDArray[np.bool_]:
        """As `mask`, but with any value in rows that are no items."""
        match condition:
            case Condition(column, comparisons):
                return self._comparable(column, column).passing(comparisons)
            case Without(part):
                return ~self._passing(part)
            case Every(parts):
                passing = np.ones(len(self._selectable), dtype=np.bool_)
                for part in parts:
                    passing &= self._passing(part)
                return passing
            case Some(parts):
                passing = np.zeros(len(self._selectable), dtype=np.bool_)
                for part in parts:
                    passing |= self._passing(part)
                return passing

    def _comparable(self, name: str, path: str) -> Column | ItemIds:
        """The column of a name, or the ids of items; an attribute called `item_id` is reached by its longer name."""
        if self._item_ids is not None and name == self._item_ids.name:
            return self._item_ids
        return self.column(name, path)

    def _is_hidden(self, column: Column) -> bool:
        """Whether another column has the same short name, so that this one is reached by its longer name only."""
        return self._by_name[column.name] is not column

    def _hint(self, name: str) -> str:
        known = self.names
        bare = name.removeprefix(ATTRIBUTES)[:60]
        initial = bare[:1].casefold()
        candidates = [other for other in known if other.removeprefix(ATTRIBUTES)[:1].casefold() == initial]
        candidates.sort(key=lambda other: abs(len(other) - len(bare)))
        similar = difflib.get_close_matches(bare, candidates[:_MOST_COMPARED], n=3)
        if similar:
            return f"did you mean {' or '.join(map(repr, similar))}?"
        shown = ", ".join(known[:20]) or "none"
        return f"it has {shown}{', ..' if len(known) > 20 else ''}"


def read_filters(
    folder: Path, catalogue: Catalogue, selectable: NDArray[np.bool_], items: Items | None = None
) -> FilterIndex:
    """The filter index of the bundle in `folder`; `selectable` `[rows]` is true for real items.

    `items` are those whose ids filters may name.

    Raises:
        OSError: a file is missing.
        ValueError: the files do not fit each other.
    """
    return filter_index_of(read_filter_columns(folder), catalogue, selectable, items)


def filter_index_of(
    stored: Iterable[FilterColumn],
    catalogue: Catalogue,
    selectable: NDArray[np.bool_],
    items: Items | None = None,
) -> FilterIndex:
    """The filter index of columns that have been read; as `read_filters`."""
    return FilterIndex(
        [
            Column(
                column, len(selectable), catalogue.texts.get(column.entry.name) if column.entry.by_reference else None
            )
            for column in stored
        ],
        selectable,
        catalogue.display,
        item_ids=None if items is None else ItemIds(items, len(selectable)),
    )
