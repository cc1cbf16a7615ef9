"""All columns of a bundle that filters, facets and orders may name, and the masks of filters over them."""

import difflib
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.filter_columns import FilterColumn, read_filter_columns
from app.engine.catalogue import Catalogue, Items
from app.engine.selection.bundle_spellings import BundleSpellings
from app.engine.selection.column import ATTRIBUTES, Column
from app.engine.selection.column_view import AnyColumn
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
        spellings: how the items spell their values; None where the columns are all that is known.
    """

    def __init__(
        self,
        columns: Iterable[Column],
        selectable: NDArray[np.bool_],
        display: Collection[str] = (),
        cache_bytes: int = MASK_CACHE_BYTES,
        item_ids: ItemIds | None = None,
        spellings: BundleSpellings | None = None,
    ) -> None:
        self.display = frozenset(display)
        self.selectable = selectable
        self.spellings = spellings
        self.stored: Mapping[str, Column] = {column.path: column for column in columns}
        self._path_of: Mapping[str, str] = path_by_name(self.stored)
        self._item_ids = item_ids
        self._masks = MaskCache(cache_bytes)

    @property
    def path_of(self) -> Mapping[str, str]:
        """The path of the column that each name means."""
        return self._path_of

    @property
    def base(self) -> "FilterIndex":
        """The bundle's own, without any live change."""
        return self

    @property
    def names(self) -> list[str]:
        """The shortest name of every column."""
        return [
            name
            for name, path in self._path_of.items()
            if name == (short := path.removeprefix(ATTRIBUTES)) or self._path_of[short] != path
        ]

    def has(self, name: str) -> bool:
        """Whether there is a column of that name."""
        return name in self._path_of

    def column(self, name: str, path: str) -> AnyColumn:
        """The column of a name; an attribute may be written with `attributes.` before it.

        Raises:
            InvalidRequest: there is none; the message has `path` and the likeliest names.
        """
        name = name if name.isascii() else unicodedata.normalize("NFC", name)
        column_path = self._path_of.get(name)
        if column_path is None and name in self.display:
            raise InvalidRequest(
                f"{path}: {name[:60]!r} is for display only: `fields` returns it, and nothing is filtered, counted or "
                "ordered by it; name it under attributes of [items] to do so",
                path,
            )
        if column_path is None:
            raise InvalidRequest(
                f"{path}: the catalogue has no column or attribute {name[:60]!r}; {self._hint(name)}", path
            )
        return self._column_of(column_path)

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
            mask = self._passing(condition) & self.selectable
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
                passing = np.ones(len(self.selectable), dtype=np.bool_)
                for part in parts:
                    passing &= self._passing(part)
                return passing
            case Some(parts):
                passing = np.zeros(len(self.selectable), dtype=np.bool_)
                for part in parts:
                    passing |= self._passing(part)
                return passing

    def _column_of(self, path: str) -> AnyColumn:
        return self.stored[path]

    def _comparable(self, name: str, path: str) -> AnyColumn | ItemIds:
        """The column of a name, or the ids of items; an attribute called `item_id` is reached by its longer name."""
        if self._item_ids is not None and name == self._item_ids.name:
            return self._item_ids
        return self.column(name, path)

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


def path_by_name(paths: Iterable[str]) -> dict[str, str]:
    """The column that each name means: a column of every catalogue goes before an attribute of that name."""
    paths = list(paths)
    named = {path: path for path in paths if not path.startswith(ATTRIBUTES)}
    for path in paths:
        named.setdefault(path, path)
        named.setdefault(path.removeprefix(ATTRIBUTES), path)
    return named


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
        spellings=BundleSpellings(catalogue),
    )
