"""Items that events name and the catalogue lacks: they teach, and are never answered."""

from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

ABSENT: Final = "absent"
"""A column of a split's item table: whether the catalogue lacks the item. Without a catalogue it lacks none."""


def mark_absent(items: pl.DataFrame, catalogue: pl.DataFrame) -> pl.DataFrame:
    """`items` with the column `absent`; both have `item_id`, and a `catalogue` without a row is none."""
    has_catalogue = catalogue.height > 0
    has_it = pl.col("item_id").is_in(catalogue.get_column("item_id").implode())
    return items.with_columns((~has_it if has_catalogue else pl.lit(value=False)).alias(ABSENT))


def absent_rows(items: pl.DataFrame) -> NDArray[np.int32]:
    """The rows of a split's item table that are absent from the catalogue, ascending."""
    if ABSENT not in items.columns:
        return np.zeros(0, dtype=np.int32)
    return items.filter(ABSENT).get_column("row").sort().to_numpy().astype(np.int32)


def absent_rows_of(split: Path) -> NDArray[np.int32]:
    """As `absent_rows`, of the split in a folder."""
    items = pl.scan_parquet(split / "items.parquet")
    columns = [name for name in ("row", ABSENT) if name in items.collect_schema()]
    return absent_rows(items.select(columns).collect())


def without_absent(rows: NDArray[np.int32], absent: NDArray[np.int32]) -> NDArray[np.int32]:
    """Item rows in their order, without those that are absent."""
    return rows[~np.isin(rows, absent)] if len(absent) else rows
