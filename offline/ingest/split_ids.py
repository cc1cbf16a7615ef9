"""Cells that hold several ids: a row for each."""

import polars as pl

from offline.dataset.spec import EventsSpec
from offline.tables.flaws import FLAW

_AROUND = "[]\"' \t"  # of a list in JSON


def split_ids(rows: pl.DataFrame, table: EventsSpec) -> tuple[pl.DataFrame, int]:
    """The `rows` of events, one for each id of the item's cell, where cells are lists or are split by a separator.

    Rows whose list holds none are left out; how many they are comes second.
    """
    dtype = rows.schema["item"]
    if isinstance(dtype, pl.List | pl.Array):
        lists = pl.col("item") if isinstance(dtype, pl.List) else pl.col("item").arr.to_list()
        rows = rows.with_columns(lists)
        is_filled = (pl.col("item").list.len() > 0).fill_null(value=False)
        filled = rows.filter(is_filled | pl.col(FLAW).is_not_null() if FLAW in rows.columns else is_filled)
        return filled.explode("item"), rows.height - filled.height
    separator = table.separators.get(table.item)
    if separator is None or dtype != pl.String:
        return rows, 0
    parts = pl.col("item").str.split(separator).list.eval(pl.element().str.strip_chars(_AROUND))
    several = parts.list.eval(pl.element().filter(pl.element() != ""))
    several = pl.when(several.list.len() > 0).then(several)
    is_list = pl.col("item").str.contains(separator, literal=True) | pl.col("item").str.contains(r"^\s*\[.*\]\s*$")
    cells = pl.when(is_list).then(several)
    return rows.with_columns(cells.otherwise(pl.concat_list("item"))).explode("item"), 0
