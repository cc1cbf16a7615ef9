"""The parts of a split, written a range of users at a time, so that memory does not grow with the log."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from offline.dataset.split_meta import PartCounts
from offline.split.coded_events import PARTS, CodedEvents

RANGE_EVENTS = 2_000_000
"""About so many events are sorted at once."""

_ROW_GROUP = 500_000


@dataclass(frozen=True)
class WrittenParts:
    """Of the rows of a split: sizes by part, the behaviour codes of train, the first time of each part."""

    counts: dict[str, PartCounts]
    train_types: set[int]
    starts: dict[str, float | None]


def write_parts(
    folder: Path, cut: pl.DataFrame, coded: CodedEvents, users: pl.DataFrame, items: pl.DataFrame
) -> WrittenParts:
    """Write a file for each part, sorted by (user, order): user, item (0 outside the vocabulary), type, time, order,
    query, target, query_new.

    Args:
        folder: where to.
        cut: coded events with `part`, `target` and `query_new`.
        coded: the texts of codes.
        users: `user_id` (codes) and their numbers `user`.
        items: `item_id` (texts) and their rows `row`.
    """
    work = folder / "work"
    work.mkdir()
    tables: list[pl.DataFrame] = []
    types: set[int] = set()
    files: dict[str, list[Path]] = {part: [] for part in PARTS}
    for number, rows in enumerate(_user_ranges(cut, coded, users, items)):
        tables.append(_counts(rows))
        types.update(rows.filter(pl.col("part") == "train").get_column("type").unique())
        for part in PARTS:
            files[part].append(work / f"{part}-{number:05d}.parquet")
            rows.filter(pl.col("part") == part).drop("part").write_parquet(files[part][-1], compression="lz4")
    for part in PARTS:
        whole = pl.scan_parquet(files[part])
        whole.sink_parquet(folder / f"{part}.parquet", row_group_size=_ROW_GROUP, engine="streaming")
    shutil.rmtree(work)
    return _summed(pl.concat(tables), types)


def _user_ranges(
    cut: pl.DataFrame, coded: CodedEvents, users: pl.DataFrame, items: pl.DataFrame
) -> Iterator[pl.DataFrame]:
    """The rows as the parts hold them, with `part`, one range of users after another; at least one range."""
    user_of = np.zeros(len(coded.users), dtype=np.uint32)
    user_of[users.get_column("user_id").to_numpy()] = users.get_column("user").to_numpy()
    rows_of_items = items.select("item_id", pl.col("row").alias("item"))
    item_of = (
        coded.items.to_frame().join(rows_of_items, on="item_id", how="left", maintain_order="left").get_column("item")
    )
    user = user_of[cut.get_column("user_id").to_numpy()]
    range_of = (np.cumsum(np.bincount(user, minlength=1)) - 1) // RANGE_EVENTS  # by user
    number = range_of[user]
    later = pl.col("part").to_physical().replace_strict([0, 1, 2, 3], [0, 1, 1, 2], return_dtype=pl.UInt8)
    for index in np.unique(range_of):
        chosen = np.flatnonzero(number == index)
        rows = cut[chosen]
        placed = rows.with_columns(
            pl.Series("user", user[chosen], pl.UInt32),
            item_of.gather(rows.get_column("item_id")).fill_null(0).alias("item"),
            coded.queries.gather(rows.get_column("query")).alias("query"),
        ).sort("user", later, "order")
        order = pl.int_range(pl.len(), dtype=pl.Int32).over("user").alias("order")
        yield placed.select("part", "user", "item", "type", "time", order, "query", "target", "query_new")


def _counts(rows: pl.DataFrame) -> pl.DataFrame:
    """A row a part of the sizes that `rows`, all events of some users, add to it, and its first time.

    `searched` have a query that is not to be new. Of the targets, also those on an item outside the vocabulary, and on
    one of the user's history (the earlier parts).
    """
    part = pl.col("part").to_physical()
    touched = part.min().over("user", "item") < part
    return (
        rows.with_columns(seen=touched & (pl.col("item") != 0))
        .group_by("part")
        .agg(
            events=pl.len(),
            users=pl.col("user").n_unique(),
            targets=pl.col("target").sum(),
            targets_on_unknown_items=(pl.col("target") & (pl.col("item") == 0)).sum(),
            targets_on_seen_items=(pl.col("target") & pl.col("seen")).sum(),
            searched=(pl.col("query").is_not_null() & ~pl.col("query_new")).sum(),
            start=pl.col("time").min(),
        )
    )


def _summed(tables: pl.DataFrame, train_types: set[int]) -> WrittenParts:
    sums = tables.group_by("part").agg(pl.all().exclude("start").sum(), pl.col("start").min())
    sizes = list(PartCounts.model_fields)
    rows = {row.pop("part"): row for row in sums.to_dicts()}
    return WrittenParts(
        counts={part: PartCounts(**{name: rows.get(part, {}).get(name, 0) for name in sizes}) for part in PARTS},
        train_types=train_types,
        starts={part: rows.get(part, {}).get("start") for part in PARTS},
    )
