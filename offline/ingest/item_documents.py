"""Items of a table of the job in the one form that an item has in the service."""

from typing import Any

import polars as pl

from app.artifact.item_document import ItemDocument
from offline.ingest.clean_items import DISPLAY

_SAME = ("title", "category", "brand", "price", "currency", "in_stock", "added")
_OTHERWISE = {"text": "description"}


def documents_of(items: pl.DataFrame) -> list[ItemDocument]:
    """The documents of the rows of an item table, ingested or split, in their order; an empty text is missing."""
    columns = [name for name in (*_SAME, *_OTHERWISE, "attributes") if name in items.columns]
    shown = [name for name in items.columns if name.startswith(DISPLAY)]
    return [_document(values, shown) for values in items.select(*columns, *shown).iter_rows(named=True)]


def _document(values: dict[str, Any], shown: list[str]) -> ItemDocument:
    fields: dict[str, Any] = {_OTHERWISE.get(name, name): values.get(name) for name in (*_SAME, *_OTHERWISE)}
    fields = {name: None if value == "" else value for name, value in fields.items()}
    return ItemDocument(
        **fields,
        attributes=tuple(values.get("attributes") or ()),
        display={name.removeprefix(DISPLAY): values[name] for name in shown if values[name] is not None},
    )
