"""Cells that hold several ids: a row for each."""

import polars as pl

from offline.dataset.spec import EventsSpec

_AROUND = "[]\"' \t"  # of a list in JSON


def split_ids(rows: pl.DataFrame, table: EventsSpec) -> pl.DataFrame:
    """The `rows` of events, one for each id of the item's cell, where cells are lists or are split by a separator."""
    dtype = rows.schema["item"]
    if isinstance(dtype, pl.List | pl.Array):
        return rows.explode("item")
    separator = table.separators.get(table.item)
    if separator is None or dtype != pl.String:
        return rows
    parts = pl.col("item").str.split(separator).list.eval(pl.element().str.strip_chars(_AROUND))
    several = parts.list.eval(pl.element().filter(pl.element() != ""))
    cells = pl.when(pl.col("item").str.contains(separator, literal=True)).then(several)
    return rows.with_columns(cells.otherwise(pl.concat_list("item"))).explode("item")
