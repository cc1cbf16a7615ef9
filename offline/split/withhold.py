"""Withhold items: a split without the training events of some items, to measure what their content alone tells."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from offline.dataset.split_meta import META_FILE, WithheldItems, read_split_meta
from offline.errors import DatasetError, InputError
from offline.workspace.atomic import atomic_folder

WITHHELD_FILE = "withheld.parquet"
WAYS = ("random", "newest")

_TRAINED = ("train", "valid")


@dataclass(frozen=True)
class Withhold:
    """Which items are withheld."""

    how: str  # random, or newest: those whose first event is the latest
    share: float  # of the items with an event in train or valid
    live: bool = False  # whether the catalogue lacks them too, and they are put while a bundle of the rest is served


def withhold(whole: Path, out: Path, choice: Withhold, seed: int) -> int:
    """Copy the split `whole` to `out` without the train and valid events on some items; how many items those are.

    Items keep their rows, text and attributes. Context and test rows stay: nothing is trained on them. Beside the
    parts lies `withheld.parquet` with the rows. Which items are drawn depends on train and valid alone. Where they are
    to be put live, the catalogue lacks them: the others close up, and events of context and test on them are on none.

    Raises:
        InputError: the way or the share has no meaning.
        DatasetError: the newest items cannot be told without clock times, or nothing would be left to train on.
        RunFolderError: `out` holds something else.
    """
    if choice.how not in WAYS or not 0 < choice.share < 1:
        raise InputError(
            f"expected --how random or newest and --share between 0 and 1, got {choice.how!r} and {choice.share:g}: "
            "write --how random --share 0.1"
        )
    meta = read_split_meta(whole)
    counts = dict(meta.counts)
    parts = {part: pl.read_parquet(whole / f"{part}.parquet") for part in (*_TRAINED, "context", "test")}
    known = pl.concat([parts[part].filter(pl.col("item") != 0) for part in _TRAINED])
    rows = _choose_items(known, choice, np.random.default_rng([seed, 4]))
    for part in _TRAINED:
        rest = parts[part].join(rows, on="item", how="anti", maintain_order="left")
        counts[part] = counts[part].model_copy(
            update={
                "events": rest.height,
                "users": rest.get_column("user").n_unique(),
                "targets": rest.filter("target").height,
            }
        )
        parts[part] = rest
    if parts["train"].is_empty():
        raise DatasetError(f"expected train events on other items than the {rows.height} withheld: lower --share")
    with atomic_folder(out, META_FILE) as folder:
        items = pl.read_parquet(whole / "items.parquet")
        if choice.live:
            items, parts = _without(items, parts, rows)
        items.write_parquet(folder / "items.parquet")
        pl.read_parquet(whole / "users.parquet").write_parquet(folder / "users.parquet")
        for part, table in parts.items():
            table.write_parquet(folder / f"{part}.parquet")
        rows.write_parquet(folder / WITHHELD_FILE)
        withheld = WithheldItems(
            how=choice.how, share=choice.share, items=rows.height, **({"live": True} if choice.live else {})
        )
        described = meta.model_copy(update={"counts": counts, "withheld": withheld, "n_items": items.height})
        (folder / META_FILE).write_text(described.text(), encoding="utf-8")
    return rows.height


def _without(
    items: pl.DataFrame, parts: dict[str, pl.DataFrame], rows: pl.DataFrame
) -> tuple[pl.DataFrame, dict[str, pl.DataFrame]]:
    """Items and parts without the items `rows`: those behind them move up, and nothing is an event's item instead."""
    rest = items.sort("row").join(rows, left_on="row", right_on="item", how="anti", maintain_order="left")
    numbers = np.zeros(items.height + 1, dtype=np.int64)
    numbers[rest.get_column("row").to_numpy()] = np.arange(1, rest.height + 1)
    moved = {
        part: table.with_columns(
            pl.Series("item", numbers[table.get_column("item").to_numpy()]).cast(table.schema["item"])
        )
        for part, table in parts.items()
    }
    row = pl.Series("row", np.arange(1, rest.height + 1)).cast(items.schema["row"])
    return rest.with_columns(row), moved


def _choose_items(known: pl.DataFrame, choice: Withhold, rng: np.random.Generator) -> pl.DataFrame:
    """The rows of the withheld items, as one column `item`, ascending."""
    first = known.group_by("item").agg(pl.col("time").min()).sort("item")
    count = max(1, math.floor(choice.share * first.height))
    if choice.how == "random":
        rows = first.get_column("item").to_numpy()[rng.permutation(first.height)[:count]]
        return pl.DataFrame({"item": rows}, schema={"item": known.schema["item"]}).sort("item")
    if first.get_column("time").null_count():
        raise DatasetError("expected clock times to tell the newest items by, got none: withhold --how random")
    return first.sort("time", "item", descending=[True, False]).head(count).select("item").sort("item")
