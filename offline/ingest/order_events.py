"""Typed events without duplicates and in order, a range of users at a time: memory does not grow with the log."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from offline.dataset.reading import FILE, ROW

EVENTS_SCHEMA = pl.Schema(
    {
        "user_id": pl.String,
        "item_id": pl.String,
        "type": pl.UInt8,
        "time": pl.Float64,
        "order": pl.Int64,
        "query": pl.String,
        "price": pl.Float64,
        "split": pl.String,
    }
)


@dataclass(frozen=True)
class Ordered:
    """The files of ordered events, one after the other sorted by (user_id, order), and the rows dropped as equal."""

    parts: list[Path]
    kept: int
    duplicates: int


def order_events(parts: list[Path], folder: Path, *, by_position: bool, at_once: int) -> Ordered:
    """Drop exact duplicates and number each user's events from 0, by position or time, else by place in the files.

    Args:
        parts: typed events, in the order of their files and rows.
        folder: an empty folder to write to.
        by_position: whether positions order events; else times do.
        at_once: about so many events are sorted at once: all of some users, ascending.
    """
    written = []
    kept = read = 0
    for number, rows in enumerate(_ranges(parts, folder, at_once)):
        unique = rows.unique(
            subset=[name for name in rows.columns if name not in (ROW, FILE)], keep="first", maintain_order=True
        )
        read, kept = read + rows.height, kept + unique.height
        written.append(folder / f"ordered-{number:05d}.parquet")
        _ordered(unique, "position" if by_position else "time").write_parquet(written[-1])
    return Ordered(written, kept, read - kept)


def _ranges(parts: list[Path], folder: Path, at_once: int) -> Iterator[pl.DataFrame]:
    """The typed events of one range of users after the other, ascending by user; rows in their first order."""
    if not parts:
        return
    counts = pl.scan_parquet(parts).group_by("user").len().collect(engine="streaming").sort("user")
    if counts["len"].sum() <= at_once:
        yield pl.read_parquet(parts)
        return
    number = (counts["len"].cum_sum() - counts["len"]) // at_once
    first = counts["user"].filter(number != number.shift(1, fill_value=0))
    files: dict[int, list[Path]] = {}
    for part in parts:
        rows = pl.read_parquet(part)
        rows = rows.with_columns(first.search_sorted(rows["user"], side="right").alias("range"))
        for (key,), some in rows.partition_by("range", as_dict=True, include_key=False, maintain_order=True).items():
            mine = files.setdefault(int(str(key)), [])
            mine.append(folder / f"range-{int(str(key)):05d}-{len(mine):05d}.parquet")
            some.write_parquet(mine[-1], compression="lz4")
        part.unlink()
    for key in sorted(files):
        yield pl.read_parquet(files[key])
        for file in files[key]:
            file.unlink()


def _ordered(rows: pl.DataFrame, clock: str) -> pl.DataFrame:
    rows = rows.sort("user", clock, FILE, ROW, nulls_last=True)
    return rows.select(
        pl.col("user").alias("user_id"),
        pl.col("item").alias("item_id"),
        "type",
        "time",
        pl.int_range(pl.len(), dtype=pl.Int64).over("user").alias("order"),
        "query",
        "price",
        "split",
    ).cast(EVENTS_SCHEMA)
