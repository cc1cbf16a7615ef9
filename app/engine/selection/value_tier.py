"""The values of some live documents: what filters, facets and orders read of them beside the bundle's own columns."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.attribute_values import attribute_parts
from app.artifact.filter_columns import ADDED, Kind, levels_of
from app.artifact.item_document import ItemDocument
from app.engine.selection.column import ATTRIBUTES
from app.engine.selection.filters import Value
from app.engine.selection.tier_column import TierColumn, tier_column_of

CATALOGUE_KINDS: Final[Mapping[str, Kind]] = {
    "title": "text",
    "description": "text",
    "category": "text",
    "brand": "text",
    "price": "number",
    "currency": "text",
    "in_stock": "boolean",
    ADDED: "number",
}
"""The kinds of the columns that any catalogue may have, in the order of a bundle's."""
NESTED: Final = "category"
"""The column whose values have levels."""


@dataclass(frozen=True, slots=True)
class ItemValues:
    """The values of one item by the path of their column; attributes as the texts that they are."""

    by_path: Mapping[str, tuple[Value, ...]]

    @classmethod
    def of(cls, document: ItemDocument | None) -> "ItemValues":
        """The values of a document; None, of an item that is gone, has none."""
        if document is None:
            return cls({})
        values: dict[str, tuple[Value, ...]] = {}
        for name in CATALOGUE_KINDS:
            value = getattr(document, name)
            if name == NESTED:
                if levels := levels_of(value or ""):
                    values[name] = tuple(levels)
            elif value is not None and value != "":
                values[name] = (value,)
        attributes: dict[str, list[Value]] = {}
        for parts in filter(None, map(attribute_parts, document.attributes)):
            attributes.setdefault(sys.intern(ATTRIBUTES + parts[0]), []).append(sys.intern(parts[1]))
        for path, texts in attributes.items():
            values[path] = tuple(dict.fromkeys(texts))
        return cls(values)


@dataclass(frozen=True, eq=False)
class ValueTier:
    """An immutable index over the values of some live documents, one a row; a column of it is made on its first use.

    A document without values stands for an item that is gone, or hidden.
    """

    rows: NDArray[np.int64]  # [documents] the items' rows, each once
    values: tuple[ItemValues, ...]  # [documents]
    paths: frozenset[str]  # of the columns that a document has a value in
    _columns: dict[tuple[str, Kind], TierColumn] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, rows: Sequence[int], values: Sequence[ItemValues], before: Iterable["ValueTier"] = ()) -> "ValueTier":
        """The tier of documents.

        Args:
            rows: `[documents]`, those of their items, none twice.
            values: `[documents]`.
            before: tiers whose place it takes: the columns that requests have used of them are made at once, so that
                no request has to wait for them.
        """
        paths: set[str] = set()
        for of_item in values:
            paths.update(of_item.by_path)
        tier = cls(np.array(rows, dtype=np.int64), tuple(values), frozenset(paths))
        for path, kind in {used for of_before in before for used in tuple(of_before._columns)}:
            tier.column(path, kind)
        return tier

    def __len__(self) -> int:
        return len(self.values)

    def has_made(self, path: str, kind: Kind) -> bool:
        """Whether a column is made already."""
        return (path, kind) in self._columns

    def column(self, path: str, kind: Kind) -> TierColumn:
        """The values of a column, those of another kind left out."""
        column = self._columns.get((path, kind))
        if column is None:
            given = [of_item.by_path.get(path, ()) for of_item in self.values]
            column = tier_column_of(given, kind, nested=path == NESTED)
            self._columns[path, kind] = column
        return column


def merge(tiers: Sequence[ValueTier]) -> ValueTier:
    """One tier in place of several, the oldest first: of an item that several have, as the newest has it."""
    newest: dict[int, ItemValues] = {}
    for tier in tiers:
        newest.update(zip(tier.rows.tolist(), tier.values, strict=True))
    return ValueTier.of(list(newest), list(newest.values()), tiers)
