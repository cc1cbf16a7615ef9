"""Ingested events with codes for texts: some 30 bytes an event, in the order of the file."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

PARTS = ("train", "valid", "context", "test")
PART = pl.Enum(PARTS)

_BATCH = 1_000_000


@dataclass(frozen=True)
class CodedEvents:
    """`events`: user_id, item_id, query (u32, the place in `users`, `items`, `queries`), type, time, order, split.

    The texts of each kind are distinct and ascending, so that codes are in the order of their texts.
    """

    events: pl.DataFrame
    users: pl.Series
    items: pl.Series
    queries: pl.Series


def read_coded(file: Path) -> CodedEvents:
    """The events of an `events.parquet` that `ingest` wrote.

    Raises:
        FileNotFoundError: there is no such file.
    """
    lazy = pl.scan_parquet(file)
    texts = {name: _distinct(lazy, name) for name in ("user_id", "item_id", "query")}
    codes = [texts[name].to_frame().with_row_index(f"{name}_code") for name in texts]
    batches = []
    for batch in lazy.drop("price").collect_batches(chunk_size=_BATCH, maintain_order=True, engine="streaming"):
        rows = batch
        for name, table in zip(texts, codes, strict=True):
            rows = rows.join(table, on=name, how="left", maintain_order="left")
        batches.append(
            rows.select(
                *(pl.col(f"{name}_code").alias(name) for name in texts),
                "type",
                "time",
                pl.col("order").cast(pl.Int32),
                pl.col("split").cast(PART),
            )
        )
    columns = {name: pl.UInt32() for name in texts}
    schema = pl.Schema(columns | {"type": pl.UInt8(), "time": pl.Float64(), "order": pl.Int32(), "split": PART})
    events = pl.concat(batches) if batches else pl.DataFrame(schema=schema)
    return CodedEvents(events, texts["user_id"], texts["item_id"], texts["query"])


def _distinct(lazy: pl.LazyFrame, name: str) -> pl.Series:
    texts = lazy.select(name).drop_nulls().unique().collect(engine="streaming")
    return texts.get_column(name).sort()
