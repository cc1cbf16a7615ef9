"""Cells of text that hold JSON, as records and lists: where a data set names something inside of them."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

import polars as pl

from offline.dataset.nested import column_of
from offline.dataset.reading import own_columns
from offline.tables.json_shapes import Shape, fit, merge, shape_of

_SAMPLE: Final = 100
_BATCH: Final = 50_000
_KINDS: Final[Mapping[str, pl.DataType]] = {"integer": pl.Int64(), "float": pl.Float64(), "flag": pl.Boolean()}


def with_records(rows: pl.LazyFrame, names: Iterable[str], unnest: str | None) -> pl.LazyFrame:
    """`rows` whose texts are read as JSON in the columns that `names` look into, or that `unnest` makes rows of.

    Columns that hold something else stay as they are. A cell that is no JSON among others that are is null. All cells
    of such a column are read once for their types.
    """
    schema = own_columns(rows)
    heads = {head for name in names if name not in schema and (head := column_of(name, schema)) != name}
    for column in sorted(heads | {name for name in (unnest,) if name}):
        if schema.get(column) == pl.String and _holds_json(rows, column):
            rows = rows.with_columns(_read(column, _shape(rows, column)))
    return rows


def _holds_json(rows: pl.LazyFrame, column: str) -> bool:
    cell = pl.col(column).str.strip_chars()
    first = rows.select(cell).filter(cell.str.len_chars() > 0).head(_SAMPLE).collect().to_series().to_list()
    return 2 * sum(_parse(text) is not None for text in first) > len(first)


def _parse(text: str | None) -> Any:
    if text is None:
        return None
    try:
        value = json.loads(text, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict | list) else None


def _shape(rows: pl.LazyFrame, column: str) -> Shape:
    shape: Shape = None
    for batch in rows.select(column).collect_batches(chunk_size=_BATCH, engine="streaming"):
        for text in batch.to_series().to_list():
            value = _parse(text)
            if value is not None:
                shape = merge(shape, shape_of(value))
    return shape


def _type_of(shape: Shape) -> pl.DataType:
    if isinstance(shape, tuple):
        kind, inner = shape
        if kind == "list":
            return pl.List(_type_of(inner))
        return pl.Struct({name: _type_of(field) for name, field in inner.items()}) if inner else pl.String()
    return _KINDS.get(shape, pl.String())


def _read(column: str, shape: Shape) -> pl.Expr:
    dtype = _type_of(shape)

    def read(cells: pl.Series) -> pl.Series:
        values = [fit(_parse(text), shape) for text in cells.to_list()]
        return pl.Series(cells.name, values, dtype, strict=False)

    return pl.col(column).map_batches(read, return_dtype=dtype, is_elementwise=True).alias(column)
