"""The codes of a bundle: what identifies an item besides its words, by which a shopper finds just that item."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from app.artifact.text.code_columns import are_codes, is_code_name
from app.artifact.text.codes import CodeTable
from offline.export.catalogue_columns import variants_of
from offline.ingest.clean_items import CODES


def write_codes(folder: Path, items: pl.DataFrame) -> None:
    """Write the codes of all items to the bundle in `folder`: their ids, those of their variants, columns that
    the data set names as codes, and attributes that are codes by name and content.

    Args:
        items: the split's item table.
    """
    items = items.sort("row")
    codes = list(zip(items["row"].to_list(), items["item_id"].to_list(), strict=True))
    variant_ids, variant_rows = variants_of(items)
    codes += zip(variant_rows, variant_ids, strict=True)
    codes += _attribute_codes(items)
    if CODES in items.columns:
        codes += items.select("row", CODES).explode(CODES).drop_nulls().rows()
    CodeTable.of((row, code) for row, code in codes if code).write(folder)


def _attribute_codes(items: pl.DataFrame) -> Iterator[tuple[int, str]]:
    """The rows and values of attributes that are codes by name and by content."""
    pairs = items.select("row", pl.col("attributes").alias("told")).explode("told").drop_nulls()
    pairs = pairs.filter(pl.col("told").str.contains("=", literal=True)).select(
        "row",
        pl.col("told").str.replace(r"(?s)=.*$", "").alias("name"),
        pl.col("told").str.replace(r"^[^=]*=", "").alias("value"),
    )
    for name in pairs["name"].unique().to_list():
        if is_code_name(name):
            of_name = pairs.filter(pl.col("name") == name)
            if are_codes(of_name["value"].to_list()):
                yield from zip(of_name["row"].to_list(), of_name["value"].to_list(), strict=True)
