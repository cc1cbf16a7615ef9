"""The catalogue's columns as the service reads them."""

from collections.abc import Sequence
from pathlib import Path
from unicodedata import normalize

import numpy as np
import orjson
import polars as pl

from app.artifact.columns import TextColumn
from app.artifact.filter_columns import PATHS
from app.artifact.names import CATALOGUE
from offline.ingest.clean_items import DISPLAY
from offline.ingest.variants import VARIANTS

_TEXTS = {"title": "title", "category": "category", "brand": "brand", "text": "description", "currency": "currency"}
_NUMBERS = {"price": "price"}
_DOCUMENTS = {"in_stock": "in_stock", "attributes": "attributes"}


def write_catalogue(folder: Path, items: pl.DataFrame) -> dict[str, str]:
    """Write the columns of `items` that hold anything, with a first entry for row 0.

    Args:
        items: the split's item table.

    Returns:
        Kind (text, number or json) by column name.
    """
    below = folder / CATALOGUE
    below.mkdir(parents=True, exist_ok=True)
    items = items.sort("row")
    kinds: dict[str, str] = {}
    for column, name in _TEXTS.items():
        texts = items[column].to_list() if column in items.columns else []
        if any(texts):
            if column == "category":  # of several the first one is answered
                texts = [text and text.partition(PATHS)[0] for text in texts]
            TextColumn.of([None, *texts]).write(below / name)
            kinds[name] = "text"
    for column, name in _NUMBERS.items():
        if items[column].null_count() < items.height:
            numbers = items[column].fill_null(float("nan")).to_numpy().astype(np.float64)
            np.save(below / f"{name}.npy", np.concatenate([[np.nan], numbers]))
            kinds[name] = "number"
    for column, name in _DOCUMENTS.items():
        values = items[column].to_list()
        if any(value is not None and value != [] for value in values):
            texts = [None if value is None or value == [] else orjson.dumps(value).decode() for value in values]
            TextColumn.of([None, *texts]).write(below / name)
            kinds[name] = "json"
    return kinds


def display_of(items: pl.DataFrame) -> dict[str, list[str | None]]:
    """The columns `[items + 1]` that are for display alone, by name; `items` is the split's item table."""
    items = items.sort("row")
    names = [name for name in items.columns if name.startswith(DISPLAY)]
    return {normalize("NFC", name.removeprefix(DISPLAY)): [None, *items[name].to_list()] for name in names}


def variants_of(items: pl.DataFrame) -> tuple[Sequence[str], Sequence[int]]:
    """The ids of variants, and the row of each one's item; `items` is the split's item table."""
    if VARIANTS not in items.columns:
        return (), ()
    pairs = items.select("row", VARIANTS).explode(VARIANTS).drop_nulls()
    return pairs[VARIANTS].to_list(), pairs["row"].to_list()
