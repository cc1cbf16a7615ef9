"""The columns that filters, facets and orders read, from the split's item table."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from app.artifact.columns import TextColumn
from app.artifact.filter_columns import (
    ADDED,
    FALSE_TEXT,
    TRUE_TEXT,
    ColumnEntry,
    FilterColumn,
    levels_of,
    sort_key,
    write_filter_columns,
)

_BY_REFERENCE: Final = {"title": "title", "text": "description"}
"""Nearly every item has a text of its own: the bundle's catalogue holds them already."""
_NUMBER: Final = r"^[+-]?(0|[1-9][0-9]*)?(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?$"
"""`007` is a code, not a number."""
_EXACT: Final = 2.0**53  # whole numbers past it are codes that float64 would run together
_FLAGS: Final = (FALSE_TEXT, TRUE_TEXT)


def write_filters(folder: Path, items: pl.DataFrame, first_times: NDArray[np.float64]) -> None:
    """Write every column of the catalogue and every attribute that an item has a value of.

    An attribute whose values all are numbers is one of numbers, and one of `true` and `false` a boolean one.

    Args:
        folder: of the bundle.
        items: the split's item table.
        first_times: `[items + 1]` unix seconds of the first event that the bundle knows, NaN where there is none: when
            an item was added, where the catalogue does not say.
    """
    items = items.with_columns(pl.col("row").cast(pl.Int32))
    columns = [column for column in (*_catalogue(items, first_times), *_attributes(items)) if column.entry.pairs]
    write_filter_columns(folder, columns)


def first_times(rows: NDArray[np.int32], times: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """The earliest time of each item row `[count]`, NaN where there is none; `rows` and `times` are of events."""
    found = np.full(count, np.inf)
    known = np.isfinite(times)
    np.minimum.at(found, rows[known], times[known])
    return np.where(np.isfinite(found), found, np.nan)


def _catalogue(items: pl.DataFrame, first_times: NDArray[np.float64]) -> Iterator[FilterColumn]:
    for column, name in _BY_REFERENCE.items():
        yield _of_values(name, _pairs(items, pl.col(column)), attribute=False, by_reference=True)
    levels = pl.col("category").map_elements(levels_of, return_dtype=pl.List(pl.String))
    nested = items.select("row", levels).explode("category")
    yield _of_values("category", _pairs(nested, pl.col("category")), attribute=False, nested=True)
    yield _of_values("brand", _pairs(items, pl.col("brand")), attribute=False)
    yield _of_numbers("price", _pairs(items, pl.col("price").cast(pl.Float64)), attribute=False)
    flags = pl.when("in_stock").then(pl.lit(TRUE_TEXT)).when(~pl.col("in_stock")).then(pl.lit(FALSE_TEXT))
    yield _of_values("in_stock", _pairs(items, flags), attribute=False, boolean=True)
    added = pl.col(ADDED) if ADDED in items.columns else pl.lit(None, pl.Float64)
    first = pl.Series("first", first_times[items["row"].to_numpy()]).fill_nan(None)
    yield _of_numbers(
        ADDED, _pairs(items.with_columns(first), pl.coalesce(added.cast(pl.Float64), "first")), attribute=False
    )


def _attributes(items: pl.DataFrame) -> Iterator[FilterColumn]:
    told = items.select("row", pl.col("attributes").alias("told")).explode("told").drop_nulls()
    pairs = told.select(
        "row",
        pl.col("told").str.split_exact("=", 1).struct.field("field_0").str.strip_chars().alias("name"),
        pl.col("told").str.replace(r"^[^=]*=", "").str.strip_chars().alias("value"),
    ).filter((pl.col("name") != "") & (pl.col("value") != ""))
    for (name,), group in sorted(pairs.partition_by("name", as_dict=True, include_key=False).items()):
        kept = group.unique()
        values = kept["value"]
        if values.is_in(list(_FLAGS)).all():
            yield _of_values(str(name), kept, attribute=True, boolean=True)
        elif (numbers := _numbers(values)) is not None:
            yield _of_numbers(str(name), kept.with_columns(numbers).unique(), attribute=True)
        else:
            yield _of_values(str(name), kept, attribute=True)


def _numbers(texts: pl.Series) -> pl.Series | None:
    """The texts as numbers; None where one of them is none."""
    if not (texts.str.contains(_NUMBER) & texts.str.contains("[0-9]")).all():
        return None
    numbers = texts.cast(pl.Float64, strict=False)
    fits = numbers.is_finite() & (numbers.abs() <= _EXACT)
    return numbers if fits.fill_null(value=False).all() else None


def _pairs(items: pl.DataFrame, value: pl.Expr) -> pl.DataFrame:
    """Columns row and value, without what is missing."""
    pairs = items.select("row", value.alias("value")).drop_nulls().unique()
    return pairs.filter(pl.col("value") != "") if pairs.schema["value"] == pl.String else pairs


def _of_values(
    name: str,
    pairs: pl.DataFrame,
    *,
    attribute: bool,
    nested: bool = False,
    boolean: bool = False,
    by_reference: bool = False,
) -> FilterColumn:
    """A column of texts or flags."""
    values = list(_FLAGS) if boolean else sorted(pairs["value"].unique().to_list(), key=sort_key)
    codes = pl.DataFrame({"value": values, "code": np.arange(len(values))}, schema_overrides={"value": pl.String})
    coded = pairs.join(codes, on="value").sort("code", "row")
    counts = np.bincount(coded["code"].to_numpy(), minlength=len(values))
    entry = ColumnEntry(
        name=name,
        kind="boolean" if boolean else "text",
        attribute=attribute,
        nested=nested,
        by_reference=by_reference,
        pairs=coded.height,
        values=len(values),
    )
    return FilterColumn(
        entry=entry,
        rows=coded["row"].to_numpy().astype(np.int32),
        numbers=None,
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        texts=None if by_reference else TextColumn.of(values),
        first_text=0,
    )


def _of_numbers(name: str, pairs: pl.DataFrame, *, attribute: bool) -> FilterColumn:
    ordered = pairs.filter(pl.col("value").is_finite()).sort("value", "row")
    return FilterColumn(
        entry=ColumnEntry(name=name, kind="number", attribute=attribute, pairs=ordered.height, values=0),
        rows=ordered["row"].to_numpy().astype(np.int32),
        numbers=ordered["value"].to_numpy().astype(np.float64),
        offsets=None,
        texts=None,
        first_text=0,
    )
