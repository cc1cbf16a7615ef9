"""Validation after a warm start: only on events that the weights it began with cannot have learned."""

import json
from pathlib import Path
from typing import Any

import polars as pl

from offline.split.split import META_FILE
from offline.workspace.atomic import atomic_file

FRESH = "fresh_valid"
"""In the meta: targets left in valid, once the others are unmarked."""
ENOUGH = 100
"""Targets with fewer of which validation says next to nothing."""


def keep_fresh_valid(split: Path, earlier: Path) -> int:
    """Unmark the valid targets of `split` that were in train or valid of the split `earlier`; how many are left.

    Who validates is drawn anew for every split, and where the cut is not by time, the draw may fall on what trained
    the earlier run, or one before it. With fewer than `ENOUGH` left, valid stays as it is: such a run begins cold.
    """
    meta: dict[str, Any] = json.loads((split / META_FILE).read_text("utf-8"))
    known = pl.concat([_named(earlier, part) for part in ("train", "valid")]).unique()
    valid = pl.read_parquet(split / "valid.parquet").with_row_index("at")
    again = _with_ids(valid, split).join(known, on=["user_id", "item_id"], how="semi").get_column("at")
    marked = valid.with_columns(pl.col("target") & ~pl.col("at").is_in(again.to_list())).drop("at")
    left = marked.filter("target").height
    if left >= ENOUGH:
        with atomic_file(split / "valid.parquet") as beside:
            marked.write_parquet(beside)
        meta["counts"]["valid"]["targets"] = left
    with atomic_file(split / META_FILE) as beside:
        beside.write_text(json.dumps(meta | {FRESH: left}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return left


def _named(split: Path, part: str) -> pl.DataFrame:
    table = pl.read_parquet(split / f"{part}.parquet", columns=["user", "item"])
    return _with_ids(table, split).select("user_id", "item_id")


def _with_ids(table: pl.DataFrame, split: Path) -> pl.DataFrame:
    items = pl.read_parquet(split / "items.parquet").select(pl.col("row").alias("item"), "item_id")
    users = pl.read_parquet(split / "users.parquet").select("user", "user_id")
    return table.join(items, on="item", how="inner").join(users, on="user", how="inner")
