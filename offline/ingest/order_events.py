"""Typed events without duplicates and in order, a range of users at a time: memory does not grow with the log."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from offline.dataset.reading import FILE, ROW
from offline.ingest.undo_events import PAIR, UNDO, match_undos

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

UNDONE_FILE: Final = "undone.parquet"
UNDONE_SCHEMA = pl.Schema([*EVENTS_SCHEMA.items(), (PAIR, pl.Int64), (UNDO, pl.Boolean)])


@dataclass(frozen=True)
class OrderedEvents:
    """Files of events, one after another sorted by (user_id, order); how many events they hold, how many were equal.

    `undone_parts` hold the events that were taken back and the rows that did so, with the columns of `UNDONE_SCHEMA`:
    `undone` of each. `undo_without_event` rows had nothing to take back.
    """

    parts: list[Path]
    kept: int
    duplicates: int
    undone_parts: list[Path]
    undone: int
    undo_without_event: int


def order_events(parts: list[Path], folder: Path, *, by_position: bool, range_events: int) -> OrderedEvents:
    """Drop exact duplicates, match what was undone, and number each user's rows from 0.

    The order is that of positions or times, at the same time undos behind events, else that of the rows of the files.
    What was taken back, and what took it back, have numbers, too, but stand in files of their own.

    Args:
        parts: typed events, in the order of their files and rows.
        folder: an empty folder to write to.
        by_position: whether positions order events; else times do.
        range_events: about so many events are sorted at once: all events of a range of users.
    """
    files, undone_files = [], []
    kept = equal = undone = lone = first = 0
    for number, rows in enumerate(_user_ranges(parts, folder, range_events)):
        unique = rows.unique(
            subset=[name for name in rows.columns if name not in (ROW, FILE)], keep="first", maintain_order=True
        )
        positions = [name for name in unique.columns if name.partition(".")[0] == "position"]
        ordered = _number_events(unique, positions if by_position else ["time"])
        equal, lone = equal + rows.height - unique.height, lone + unique.height - ordered.height
        pairs = ordered.filter(pl.col(PAIR).is_not_null())
        if pairs.height:
            undone_files.append(folder / f"undone-{number:05d}.parquet")
            pairs.with_columns(pl.col(PAIR) + first).write_parquet(undone_files[-1])
            undone += pairs.height // 2
            ordered = ordered.filter(pl.col(PAIR).is_null())
        kept, first = kept + ordered.height, first + unique.height
        files.append(folder / f"ordered-{number:05d}.parquet")
        ordered.drop(PAIR, UNDO).write_parquet(files[-1])
    return OrderedEvents(files, kept, equal, undone_files, undone, lone)


def _user_ranges(parts: list[Path], folder: Path, range_events: int) -> Iterator[pl.DataFrame]:
    """The typed events, one range of users after another, ascending by user; rows of a range in file order."""
    if not parts:
        return
    counts = pl.scan_parquet(parts).group_by("user").len().collect(engine="streaming").sort("user")
    if counts["len"].sum() <= range_events:
        yield pl.read_parquet(parts)
        return
    number = (counts["len"].cum_sum() - counts["len"]) // range_events
    first = counts["user"].filter(number != number.shift(1, fill_value=0))
    range_files: dict[int, list[Path]] = {}
    for part in parts:
        rows = pl.read_parquet(part)
        rows = rows.with_columns(first.search_sorted(rows["user"], side="right").alias("range"))
        for (key,), group in rows.partition_by("range", as_dict=True, include_key=False, maintain_order=True).items():
            group_files = range_files.setdefault(int(str(key)), [])
            group_files.append(folder / f"range-{int(str(key)):05d}-{len(group_files):05d}.parquet")
            group.write_parquet(group_files[-1], compression="lz4")
        part.unlink()
    for key in sorted(range_files):
        yield pl.read_parquet(range_files[key])
        for file in range_files[key]:
            file.unlink()


def _number_events(rows: pl.DataFrame, clock: Sequence[str]) -> pl.DataFrame:
    """The rows sorted by user and the columns of `clock`, each user's numbered from 0, with `pair` and `undo`."""
    rows = match_undos(rows.sort("user", *clock, UNDO, FILE, ROW, nulls_last=True))
    return rows.select(
        pl.col("user").alias("user_id"),
        pl.col("item").alias("item_id"),
        "type",
        "time",
        pl.int_range(pl.len(), dtype=pl.Int64).over("user").alias("order"),
        "query",
        "price",
        "split",
        PAIR,
        UNDO,
    ).cast(UNDONE_SCHEMA)
