"""An item of a bundle as a document: what a change of some of its fields starts from."""

from typing import Final

import numpy as np

from app.artifact.filter_columns import ADDED, LEVELS, PATHS, levels_of
from app.artifact.item_document import ItemDocument
from app.engine.catalogue import Catalogue
from app.engine.selection.filter_index import FilterIndex

_TEXTS: Final = ("title", "brand", "description", "currency")
_CATEGORY: Final = "category"
_ATTRIBUTES: Final = "attributes"


def document_of(row: int, catalogue: Catalogue, filters: FilterIndex) -> ItemDocument:
    """The document of an item: its live one where it has one, else what the bundle knows.

    Of the categories besides the first the bundle keeps no text: they are as filters show them, in their order. Where
    the catalogue did not say when an item was added, it was at its first event.

    Args:
        row: of the item.
        catalogue: the bundle's columns, perhaps with live documents over them.
        filters: of the bundle, or of a view of it.
    """
    live = catalogue.live.get(row)
    if live is not None:
        return live
    values = catalogue.values_of(row, [*_TEXTS, "price", "in_stock", _ATTRIBUTES])
    return ItemDocument(
        title=values["title"],
        category=_category_of(row, catalogue, filters.base),
        brand=values["brand"],
        price=values["price"],
        currency=values["currency"],
        description=values["description"],
        in_stock=values["in_stock"],
        added=_added_of(row, filters.base),
        attributes=tuple(values[_ATTRIBUTES] or ()),
        display={name: text for name, column in catalogue.display.items() if (text := column[row]) is not None},
    )


def _category_of(row: int, catalogue: Catalogue, base: FilterIndex) -> str | None:
    """All categories of an item, the one that is answered first."""
    first: str | None = catalogue.values_of(row, [_CATEGORY])[_CATEGORY]
    column = base.stored.get(_CATEGORY)
    if first is None or column is None:
        return first
    known = {level.casefold() for level in levels_of(first)}
    levels = [level for level in map(column.text_of, column.codes_of(row)) if level.casefold() not in known]
    further = [level for level in levels if not any(other.startswith(level + LEVELS) for other in levels)]
    return PATHS.join([first, *further])


def _added_of(row: int, base: FilterIndex) -> float | None:
    column = base.stored.get(ADDED)
    added = np.nan if column is None else float(column.least[row])
    return None if np.isnan(added) else added
