"""What is answered of an item: columns of the catalogue, and single attributes by name."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from app.artifact.filter_columns import TRUE_TEXT
from app.engine.catalogue import Catalogue
from app.engine.selection.filter_columns import Column
from app.engine.selection.filter_index import FilterIndex

_ATTRIBUTES: Final = "attributes"  # the column of all of them


def check_fields(fields: Sequence[str], catalogue: Catalogue, filters: FilterIndex) -> None:
    """Refuse names that are neither columns of the catalogue nor attributes.

    Raises:
        InvalidRequest: names the field and the likeliest names.
    """
    for place, name in enumerate(fields):
        if not catalogue.has(name):
            filters.column(name, f"fields.{place}")


def values_of(row: int, fields: Sequence[str], catalogue: Catalogue, filters: FilterIndex) -> dict[str, Any]:
    """The named values of one item; of an attribute with several values a list, and None for what is missing."""
    own = [name for name in fields if catalogue.has(name)]
    found = catalogue.values_of(row, own)
    if len(own) == len(fields):
        return found
    told = catalogue.values_of(row, [_ATTRIBUTES])[_ATTRIBUTES] if catalogue.has(_ATTRIBUTES) else None
    return {
        name: found[name] if name in found else _value(filters.column(name, "fields"), row, told) for name in fields
    }


def _value(column: Column, row: int, told: list[str] | None) -> Any:
    if not column.stored.entry.attribute:  # one that the catalogue has not written out: of when an item was added
        number = float(column.least[row]) if column.kind == "number" else np.nan
        return None if np.isnan(number) else number
    start = f"{column.name}="
    texts = [text.removeprefix(start).strip() for text in told or () if text.startswith(start)]
    values = [_typed(column, text) for text in texts if text]
    return None if not values else values[0] if len(values) == 1 else values


def _typed(column: Column, text: str) -> str | float | bool:
    if column.kind == "number":
        return float(text)
    return text == TRUE_TEXT if column.kind == "boolean" else text
