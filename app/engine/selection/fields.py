"""Fields of an answered item: columns of the catalogue, and single attributes by name."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import orjson

from app.artifact.filter_columns import TRUE_TEXT
from app.engine.catalogue import Catalogue
from app.engine.selection.column_view import AnyColumn
from app.engine.selection.filter_index import FilterIndex

_ATTRIBUTES: Final = "attributes"  # the column of all of them


def check_fields(fields: Sequence[str], catalogue: Catalogue, filters: FilterIndex) -> None:
    """Refuse names that are neither columns of the catalogue nor attributes.

    Raises:
        InvalidRequest: a name is neither; the message has the likeliest names.
    """
    for index, name in enumerate(fields):
        if not catalogue.has(name):
            filters.column(name, f"fields.{index}")


def texts_of(rows: Sequence[int], fields: Sequence[str], catalogue: Catalogue, filters: FilterIndex) -> list[bytes]:
    """The JSON of the named values of some items, each an object as `values_of` has it."""
    # A column of the same name may come and go with live items, and with them the kind of an attribute change.
    form = tuple((name, None if catalogue.has(name) else filters.column(name, "fields").kind) for name in fields)
    kept, live = catalogue.written.of(form), catalogue.live
    texts = []
    for row in rows:
        document, entry = live.get(row), kept.get(row)
        if entry is None or entry[0] is not document:
            entry = document, orjson.dumps(values_of(row, fields, catalogue, filters))
            catalogue.written.keep(kept, row, *entry)
        texts.append(entry[1])
    return texts


def values_of(row: int, fields: Sequence[str], catalogue: Catalogue, filters: FilterIndex) -> dict[str, Any]:
    """The named values of one item; a list for an attribute with several values, and None for a missing one."""
    column_names = [name for name in fields if catalogue.has(name)]
    values = catalogue.values_of(row, column_names)
    if len(column_names) == len(fields):
        return values
    attributes = catalogue.values_of(row, [_ATTRIBUTES])[_ATTRIBUTES] if catalogue.has(_ATTRIBUTES) else None
    return {
        name: values[name] if name in values else _value(filters.column(name, "fields"), row, attributes)
        for name in fields
    }


def _value(column: AnyColumn, row: int, attributes: list[str] | None) -> Any:
    if not column.attribute:  # the time an item was added, which the catalogue has no column of
        number = float(column.least[row]) if column.kind == "number" else np.nan
        return None if np.isnan(number) else number
    start = f"{column.name}="
    texts = [text.removeprefix(start).strip() for text in attributes or () if text.startswith(start)]
    values = [_parse(column, text) for text in texts if text]
    return None if not values else values[0] if len(values) == 1 else values


def _parse(column: AnyColumn, text: str) -> str | float | bool:
    if column.kind == "number":
        try:
            return float(text)
        except ValueError:
            return text  # the column has it otherwise
    return text == TRUE_TEXT if column.kind == "boolean" else text
