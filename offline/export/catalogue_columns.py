"""The catalogue's columns as the service reads them."""

from pathlib import Path

import numpy as np
import orjson
import polars as pl

from app.artifact.columns import TextColumn
from app.artifact.filter_columns import PATHS
from app.artifact.names import CATALOGUE

_TEXTS = {"title": "title", "category": "category", "brand": "brand", "text": "description"}
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
        texts = items[column].to_list()
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
