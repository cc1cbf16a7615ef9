"""Made-up logs on which validation has to be like test: one of two masks, one without any order."""

from pathlib import Path

import numpy as np
import polars as pl

ITEMS = 240
TASTES = 12


def write_mask_shop(folder: Path, users: int = 400, seed: int = 5) -> Path:
    """A log by positions: what is bought, train and test alike, was mostly (80 %) looked at a few steps before."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        taste = int(rng.integers(TASTES))
        viewed: list[int] = []
        bought: list[int] = []
        for _ in range(int(rng.integers(2, 5))):
            for _ in range(int(rng.integers(3, 7))):
                viewed.append(_item(taste, rng))
                rows.append((user, viewed[-1], "view", len(rows)))
            fresh = [item for item in viewed[-5:] if item not in bought]
            item = fresh[int(rng.integers(len(fresh)))] if fresh and rng.random() < 0.8 else _item(taste, rng)
            bought.append(item)
            rows.append((user, item, "purchase", len(rows)))
    table = pl.DataFrame(rows, schema=["user_id", "item_id", "event_type", "position"], orient="row")
    evaluation = 'target_event = "purchase"\nmask = ["purchased", "seen"]\nmetrics = ["hr@10", "ndcg@10"]'
    return _write(folder, table, evaluation)


def write_orderless_shop(folder: Path, users: int = 400, seed: int = 6, *, shuffled: int | None = None) -> Path:
    """A log of who bought what, without time or position, its rows by item; with `shuffled`, a seed, in any order."""
    rng = np.random.default_rng(seed)
    pairs = set()
    for user in range(users):
        taste = int(rng.integers(TASTES))
        pairs |= {(user, _item(taste, rng)) for _ in range(int(rng.integers(6, 14)))}
    rows = sorted((item, user) for user, item in pairs)
    if shuffled is not None:
        rows = [rows[at] for at in np.random.default_rng(shuffled).permutation(len(rows))]
    table = pl.DataFrame(rows, schema=["item_id", "user_id"], orient="row").with_columns(event_type=pl.lit("purchase"))
    return _write(folder, table, 'mask = ["seen"]\nmetrics = ["hr@10", "ndcg@10"]')


def _item(taste: int, rng: np.random.Generator) -> int:
    """Mostly one of the taste's items, the first of them more often; ids rise with how late an item came."""
    if rng.random() < 0.2:
        return int(rng.integers(ITEMS))
    size = ITEMS // TASTES
    return taste + TASTES * min(int(rng.exponential(size / 4)), size - 1)


def _write(folder: Path, table: pl.DataFrame, evaluation: str) -> Path:
    folder.mkdir(parents=True)
    table.with_columns(
        pl.format("u{}", pl.col("user_id").cast(pl.String).str.zfill(4)).alias("user_id"),
        pl.format("i{}", pl.col("item_id").cast(pl.String).str.zfill(4)).alias("item_id"),
    ).write_parquet(folder / "events.parquet")
    (folder / "dataset.toml").write_text(
        f'name = "{folder.name}"\n[events]\npath = "events.parquet"\n[evaluation]\n{evaluation}\n'
    )
    return folder
