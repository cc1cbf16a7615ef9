"""Ingested events with codes for texts: some 30 bytes an event, in the order of the file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from offline.ingest.order_events import UNDONE_FILE
from offline.ingest.undo_events import PAIR, UNDO

PARTS = ("train", "valid", "context", "test")
PART = pl.Enum(PARTS)

_BATCH = 1_000_000


@dataclass(frozen=True)
class CodedEvents:
    """`events`: user_id, item_id, query (u32, the place in `users`, `items`, `queries`), type, time, order, split.

    `undone`, where events were taken back: the same of these and of what took them back, with `pair` and `undo`. The
    texts of each kind are distinct and ascending, so that codes are in the order of their texts.
    """

    events: pl.DataFrame
    users: pl.Series
    items: pl.Series
    queries: pl.Series
    undone: pl.DataFrame | None = None


def read_coded(file: Path) -> CodedEvents:
    """The events of an `events.parquet` that `ingest` wrote, and what it wrote beside of those that were taken back.

    Raises:
        FileNotFoundError: there is no such file.
    """
    lazy, undone = pl.scan_parquet(file), None
    if (undone_file := file.with_name(UNDONE_FILE)).exists():
        undone = pl.scan_parquet(undone_file)
    whole = lazy if undone is None else pl.concat([lazy, undone.select(lazy.collect_schema().names())])
    texts = {name: _distinct(whole, name) for name in ("user_id", "item_id", "query")}
    events = _coded(lazy, texts)
    return CodedEvents(
        events, texts["user_id"], texts["item_id"], texts["query"], None if undone is None else _coded(undone, texts)
    )


def _coded(lazy: pl.LazyFrame, texts: Mapping[str, pl.Series]) -> pl.DataFrame:
    further = [name for name in (PAIR, UNDO) if name in lazy.collect_schema()]
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
                *further,
            )
        )
    columns = {name: pl.UInt32() for name in texts}
    schema = pl.Schema(columns | {"type": pl.UInt8(), "time": pl.Float64(), "order": pl.Int32(), "split": PART})
    return pl.concat(batches) if batches else pl.DataFrame(schema=schema)


def _distinct(lazy: pl.LazyFrame, name: str) -> pl.Series:
    texts = lazy.select(name).drop_nulls().unique().collect(engine="streaming")
    return texts.get_column(name).sort()
