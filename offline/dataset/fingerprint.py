"""A checksum of what tables hold, whatever file format or library version wrote them."""

import hashlib
from collections.abc import Iterator, Mapping

import polars as pl

_ROWS = 500_000


def fingerprint(tables: Mapping[str, pl.LazyFrame]) -> str:
    """The sha256, in hex, over names, columns and values of `tables`, in their order; read some rows at a time."""
    digest = hashlib.sha256()
    for name, table in tables.items():
        height = int(table.select(pl.len()).collect().item())
        digest.update(f"{name} {height} {' '.join(table.collect_schema().names())}\n".encode())
        for part in slices(table, height):
            for column in part.iter_columns():
                digest.update(_content(column))
    return digest.hexdigest()


def slices(table: pl.LazyFrame, height: int) -> Iterator[pl.DataFrame]:
    """The `height` rows of `table` in order, 500,000 at a time."""
    for start in range(0, height, _ROWS):
        yield table.slice(start, _ROWS).collect()


def _content(column: pl.Series) -> bytes:
    """Values as bytes. Unit separators end a value and NUL stands for null, neither of which text holds."""
    if column.dtype.is_numeric():
        return column.cast(pl.Float64).to_numpy().tobytes()
    if column.dtype == pl.List:
        column = column.list.join("\x1e")
    joined = column.cast(pl.String).fill_null("\x00").str.join("\x1f").item()
    return f"{joined}\x1d".encode()
