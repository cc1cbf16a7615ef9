"""The whole log in one part, for the version that is served: users and items keep the numbers of the measured split.

Nothing that is measured may read it: test rows are in it.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from offline.dataset.absent import mark_absent
from offline.dataset.split_meta import META_FILE, SplitMeta, read_split_meta
from offline.split.coded_events import PART, CodedEvents
from offline.split.parts import write_parts
from offline.split.split import read_ingested
from offline.workspace.atomic import atomic_folder
from offline.workspace.progress import Progress, silent

PARTS = ("train",)
"""The part that holds all events."""


@dataclass(frozen=True)
class WholeLog:
    """What the whole log holds besides what the measured parts, train and valid, do."""

    meta: SplitMeta
    new_items: int  # without a row in the measured split
    new_users: int  # without an event in train or valid
    new_events: int
    context_events: int  # of these, those that came as context of a test


def whole_split(ingested: Path, measured: Path, out: Path, *, progress: Progress | None = None) -> WholeLog:
    """Write a split to `out` whose part `train` holds every ingested event, and whose other parts are empty.

    Each user's events stand in their true order, held-out and context events among them; events without a time, which
    a cut by time leaves out, come first. Items and users of the split `measured` keep their rows, with the same
    columns; those that it lacks follow.

    Raises:
        RunFolderError: `ingested` or `measured` is not what its stage writes, or `out` holds something else.
    """
    tell = progress or silent
    tell(0, 2, "the whole log")
    meta = read_split_meta(measured)
    _, coded, catalogue, attributes = read_ingested(ingested)
    items = _items(pl.read_parquet(measured / "items.parquet").sort("row"), coded, meta.seed)
    items = mark_absent(items, catalogue)
    users = _users(pl.read_parquet(measured / "users.parquet").sort("user"), coded, attributes)
    numbers = pl.DataFrame({"user_id": np.arange(len(coded.users), dtype=np.uint32)}).with_columns(
        coded.users.alias("text")
    )
    numbers = numbers.join(users.select("user", pl.col("user_id").alias("text")), on="text", how="inner")
    first = pl.when(pl.col("time").is_null() & meta.by_time).then(pl.col("order").max() + 1).otherwise(0)
    cut = coded.events.with_columns(
        pl.lit("train", PART).alias("part"),
        pl.lit(value=False).alias("target"),
        query_new=pl.lit(value=False),
        order=pl.col("order") - first,
    )
    tell(1, 2, "the whole log")
    with atomic_folder(out, META_FILE) as folder:
        written = write_parts(folder, cut, coded, numbers.select("user_id", "user"), items)
        described = meta.model_copy(
            update={
                "counts": written.counts,
                "n_items": items.height,
                "n_users": users.height,
                "dropped_without_time": 0,
            }
        )
        items.write_parquet(folder / "items.parquet")
        users.write_parquet(folder / "users.parquet")
        (folder / META_FILE).write_text(described.text(), encoding="utf-8")
    tell(2, 2, "the whole log")
    known = [meta.counts[part].events for part in ("train", "valid") if part in meta.counts]
    return WholeLog(
        meta=described,
        new_items=items.height - meta.n_items,
        new_users=users.height - _users_of(measured),
        new_events=max(0, coded.events.height - sum(known)),
        context_events=meta.counts["context"].events if "context" in meta.counts else 0,
    )


def _items(measured: pl.DataFrame, coded: CodedEvents, seed: int) -> pl.DataFrame:
    """The items of the measured split, then those that only later events are on, in a drawn order."""
    touched = coded.items.gather(coded.events.get_column("item_id").unique().sort()).to_frame("item_id")
    fresh = touched.join(measured, on="item_id", how="anti").sort("item_id")
    drawn = fresh[np.random.default_rng([seed, 5]).permutation(fresh.height)]
    rows = drawn.with_row_index("row", offset=measured.height + 1).cast({"row": measured.schema["row"]})
    return pl.concat([measured, rows], how="diagonal")


def _users(measured: pl.DataFrame, coded: CodedEvents, attributes: pl.DataFrame) -> pl.DataFrame:
    """The users of the measured split, then those whose events it left out."""
    active = coded.users.gather(coded.events.get_column("user_id").unique().sort()).to_frame("user_id")
    fresh = active.join(measured, on="user_id", how="anti").sort("user_id")
    fresh = fresh.join(attributes, on="user_id", how="left", maintain_order="left")
    numbered = fresh.with_row_index("user", offset=measured.height).cast({"user": measured.schema["user"]})
    return pl.concat([measured, numbered], how="diagonal")


def _users_of(split: Path) -> int:
    """How many users have an event in train or valid."""
    parts = [pl.scan_parquet(split / f"{part}.parquet").select("user") for part in ("train", "valid")]
    return int(pl.concat(parts).select(pl.col("user").n_unique()).collect().item())
