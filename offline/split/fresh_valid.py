"""Validation after a warm start: only on events that the weights it began with cannot have learned."""

from pathlib import Path

import polars as pl

from offline.dataset.split_meta import META_FILE, read_split_meta
from offline.workspace.atomic import atomic_file

ENOUGH = 100
"""With fewer targets, validation figures mean next to nothing."""


def keep_fresh_valid(split: Path, earlier: Path) -> int:
    """Unmark the valid targets of `split` that were in train or valid of the split `earlier`; how many are left.

    Validation users are drawn anew for every split. Unless the cut is by time, the draw may hit events that trained
    the earlier run, or one before it. With fewer than `ENOUGH` left, valid stays as it is: such a run begins cold.
    """
    meta = read_split_meta(split)
    counts = dict(meta.counts)
    known = pl.concat([_user_item_ids(earlier, part) for part in ("train", "valid")]).unique()
    valid = pl.read_parquet(split / "valid.parquet").with_row_index("index")
    repeated = _with_ids(valid, split).join(known, on=["user_id", "item_id"], how="semi").get_column("index")
    marked = valid.with_columns(pl.col("target") & ~pl.col("index").is_in(repeated.to_list())).drop("index")
    left = marked.filter("target").height
    if left >= ENOUGH:
        with atomic_file(split / "valid.parquet") as temporary:
            marked.write_parquet(temporary)
        counts["valid"] = counts["valid"].model_copy(update={"targets": left})
    described = meta.model_copy(update={"counts": counts, "fresh_valid": left})
    with atomic_file(split / META_FILE) as temporary:
        temporary.write_text(described.text(), encoding="utf-8")
    return left


def _user_item_ids(split: Path, part: str) -> pl.DataFrame:
    table = pl.read_parquet(split / f"{part}.parquet", columns=["user", "item"])
    return _with_ids(table, split).select("user_id", "item_id")


def _with_ids(table: pl.DataFrame, split: Path) -> pl.DataFrame:
    items = pl.read_parquet(split / "items.parquet").select(pl.col("row").alias("item"), "item_id")
    users = pl.read_parquet(split / "users.parquet").select("user", "user_id")
    return table.join(items, on="item", how="inner").join(users, on="user", how="inner")
