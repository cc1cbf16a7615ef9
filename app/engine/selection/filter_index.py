"""All columns of a bundle that filters, facets and orders may name, and the masks of filters over them."""

import difflib
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from threading import Lock
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.filter_columns import read_filter_columns
from app.engine.catalogue import Catalogue
from app.engine.selection.filter_columns import Column
from app.engine.selection.filter_parsing import parse_filter
from app.engine.selection.filters import Condition, Every, Filter, Some, Without
from app.errors import InvalidRequest

MASK_CACHE_BYTES: Final = 64 * 2**20
_ATTRIBUTES: Final = "attributes."  # may stand before the name of an attribute
_LIKE: Final = 200  # names that a misspelled one is compared with


class FilterIndex:
    """Columns by name, and masks of filters, of which the newest are kept.

    Args:
        columns: of the bundle.
        selectable: `[rows]`, true for real items.
        cache_bytes: what the kept masks may take.
    """

    def __init__(
        self, columns: Iterable[Column], selectable: NDArray[np.bool_], cache_bytes: int = MASK_CACHE_BYTES
    ) -> None:
        listed = list(columns)
        self._by_name: dict[str, Column] = {c.name: c for c in listed if not c.stored.entry.attribute}
        for column in listed:
            if column.stored.entry.attribute:
                self._by_name.setdefault(_ATTRIBUTES + column.name, column)
                self._by_name.setdefault(column.name, column)
        self._selectable = selectable
        self._most_masks = max(4, cache_bytes // max(1, len(selectable)))
        self._masks: OrderedDict[Filter, NDArray[np.bool_]] = OrderedDict()
        self._lock = Lock()

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
            InvalidRequest: there is none. It names `path` and the likeliest names.
        """
        found = self._by_name.get(name)
        if found is None:
            raise InvalidRequest(
                f"{path}: the catalogue has no column or attribute {name[:60]!r}; {self._hint(name)}", path
            )
        return found

    def parse(self, tree: Any, path: str = "filter") -> Filter:
        """The filter that a JSON document spells, checked against the columns.

        Raises:
            InvalidRequest: names the path within the request, what was expected and what came.
        """
        return parse_filter(tree, self.column, path)

    def mask(self, wanted: Filter) -> NDArray[np.bool_]:
        """`[rows]`, the items that pass; shared, not to be written to."""
        with self._lock:
            found = self._masks.get(wanted)
            if found is not None:
                self._masks.move_to_end(wanted)
                return found
        found = self._passing(wanted) & self._selectable
        found.flags.writeable = False
        with self._lock:
            self._masks[wanted] = found
            while len(self._masks) > self._most_masks:
                self._masks.popitem(last=False)
        return found

    def _passing(self, wanted: Filter) -> NDArray[np.bool_]:
        """As `mask`, but not to be relied on in rows that are no items."""
        match wanted:
            case Condition(column, comparisons):
                return self.column(column, column).passing(comparisons)
            case Without(part):
                return ~self._passing(part)
            case Every(parts):
                found = np.ones(len(self._selectable), dtype=np.bool_)
                for part in parts:
                    found &= self._passing(part)
                return found
            case Some(parts):
                found = np.zeros(len(self._selectable), dtype=np.bool_)
                for part in parts:
                    found |= self._passing(part)
                return found

    def _is_hidden(self, column: Column) -> bool:
        """Whether another column has its name, so that only the longer one leads to it."""
        return self._by_name[column.name] is not column

    def _hint(self, name: str) -> str:
        known = self.names
        bare = name.removeprefix(_ATTRIBUTES)[:60]
        initial = bare[:1].casefold()
        like = [each for each in known if each.removeprefix(_ATTRIBUTES)[:1].casefold() == initial]
        like.sort(key=lambda each: abs(len(each) - len(bare)))
        near = difflib.get_close_matches(bare, like[:_LIKE], n=3)
        if near:
            return f"did you mean {' or '.join(repr(each) for each in near)}?"
        shown = ", ".join(known[:20]) or "none"
        return f"it has {shown}{', ..' if len(known) > 20 else ''}"


def read_filters(folder: Path, catalogue: Catalogue, selectable: NDArray[np.bool_]) -> FilterIndex:
    """The columns of the bundle in `folder`, beside its catalogue; `selectable` `[rows]` are the real items.

    Raises:
        OSError: a file is missing.
        ValueError: the files do not fit each other.
    """
    stored = read_filter_columns(folder)
    return FilterIndex(
        [
            Column(each, len(selectable), catalogue.texts.get(each.entry.name) if each.entry.by_reference else None)
            for each in stored
        ],
        selectable,
    )
