"""Synthesize: a made-up shop as a folder that the rest of Aisle reads like a real one."""

from datetime import UTC, date, datetime, time
from pathlib import Path

import numpy as np
import polars as pl

from app.artifact.behaviours import BEHAVIOURS
from offline.dataset.spec import SPEC_FILE
from offline.errors import InputError
from offline.synthetic.catalogue import Catalogue, make_catalogue
from offline.synthetic.cohorts import COHORT_EVENTS, make_cohorts
from offline.synthetic.sessions import END, Log, Shop, make_log
from offline.synthetic.shelves import make_shelves
from offline.synthetic.shoppers import make_shoppers
from offline.workspace.atomic import atomic_folder, check_output_folder
from offline.workspace.progress import Progress, silent

TRUTH_FILE = "truth.parquet"
EVENTS_PER_USER = 50
MIN_ITEMS = 20

_DUPLICATES, _BAD, _GONE = 0.005, 0.004, 0.003

_TOML = """\
# A made-up shop: {users} users, {items} items, seed {seed}. It describes its files as your own dataset.toml would.
name = "synthetic"

[events]
path = "{events}"
user = "user_id"
item = "item_id"
type = "event_type"             # view | cart | purchase
time = "timestamp"              # unix seconds
query = "query"                 # the words that led to this event, on some events
session = "session_id"
price = "price"                 # on carts and purchases

[items]
path = "items.parquet"
id = "item_id"
title = "title"                 # one in ten is Chinese
category = "category"           # a path: "Shoes > Trail"
brand = "brand"
price = "price"
text = ["description"]
attributes = ["attributes_json"]
in_stock = "in_stock"

[evaluation]                    # no split column: the last fifth of the log is held out
task = "next_item"
mask = ["seen"]
metrics = ["hr@10", "ndcg@10", "mrr"]
"""


def synthesize(
    users: int,
    items: int,
    seed: int,
    out: Path,
    events: int | None = None,
    *,
    until: date | None = None,
    progress: Progress | None = None,
    force: bool = False,
) -> None:
    """Write `events.parquet`, `items.parquet`, `dataset.toml` and `truth.parquet` to `out`, whole or not at all.

    More than a million events are made and written in parts, `events/part-00000.parquet` and so on, in bounded memory.
    About 50 events a user when `events` is None. The log ends as the day `until` begins (UTC), or in spring 2025. The
    same numbers, day and `seed` give the same files. `truth.parquet` (kind user or item, id, categories) is for tests:
    the favourite categories of each user, the category of each item.

    Raises:
        InputError: fewer than 1 user, 20 items or 1 event.
        RunFolderError: `out` holds something else and `force` is not set; with it, what it holds is removed.
    """
    total = users * EVENTS_PER_USER if events is None else events
    if users < 1 or items < MIN_ITEMS or total < 1:
        raise InputError(
            f"expected at least 1 user, {MIN_ITEMS} items and 1 event, got {users}, {items} and {total}: "
            "ask for a larger shop"
        )
    tell = progress or silent
    later_s = 0 if until is None else round(datetime.combine(until, time(), UTC).timestamp()) - END
    check_output_folder(out, TRUTH_FILE, force=force)
    tell(0, 1, "filling shelves")
    maker = np.random.default_rng(seed)
    catalogue = make_catalogue(items, maker)
    shelves = make_shelves(catalogue, maker)
    shop = Shop(catalogue, make_shoppers(users, catalogue, maker), shelves)
    with atomic_folder(out, TRUTH_FILE, force=force) as folder:
        if total <= COHORT_EVENTS:
            log = make_log(total, shop, maker, progress=tell)
            path, ids = "events.parquet", _user_ids(users, maker)
            _dirty(_exported(log, catalogue, ids, later_s), maker).write_parquet(folder / path)
        else:
            path, ids = "events/*.parquet", _user_ids(users, maker)
            _write_parts(folder / "events", total, shop, ids, later_s, maker, tell)
        tell(0, 1, "writing the shop")
        catalogue.table[maker.permutation(items)].write_parquet(folder / "items.parquet")
        _truth(shop, ids).write_parquet(folder / TRUTH_FILE)
        toml = _TOML.format(users=users, items=items, seed=seed, events=path)
        (folder / SPEC_FILE).write_text(toml, encoding="utf-8")
    tell(1, 1, "made a shop")


def _user_ids(users: int, rng: np.random.Generator) -> pl.Series:
    return pl.Series([f"u{number}" for number in 10_000 + rng.permutation(users)])


def _write_parts(
    folder: Path,
    events: int,
    shop: Shop,
    user_ids: pl.Series,
    later_s: int,
    rng: np.random.Generator,
    progress: Progress,
) -> None:
    """Write the log to `folder`, a file a cohort of shoppers."""
    folder.mkdir()
    cohorts = make_cohorts(events, shop, rng, progress=progress)
    for number, cohort in enumerate(cohorts):
        rows = _exported(cohort.log, shop.catalogue, user_ids.gather(cohort.users), later_s)
        _dirty(rows, rng).write_parquet(folder / f"part-{number:05d}.parquet")


def _exported(log: Log, catalogue: Catalogue, user_ids: pl.Series, later_s: int) -> pl.DataFrame:
    """The log as the shop's own software would write it."""
    items = pl.Series(log.item)
    return pl.DataFrame(
        {
            "user_id": user_ids.gather(log.user),
            "item_id": catalogue.table.get_column("item_id").gather(items),
            "event_type": pl.Series(list(BEHAVIOURS)).gather(log.type - 1),
            "timestamp": pl.Series(log.time + later_s),
            "session_id": pl.Series(log.session).cast(pl.String),
            "query": catalogue.queries.gather(np.maximum(log.query, 0)),
            "price": pl.Series(catalogue.price).gather(items),
        }
    ).with_columns(
        pl.when(pl.Series(log.query >= 0)).then("query").alias("query"),
        pl.when(pl.col("event_type") != "view").then("price").alias("price"),
    )


def _dirty(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """`rows` with the flaws of real logs: rows written twice, broken rows, rows on items that left the catalogue."""
    draw = rng.random(rows.height)
    which = rng.integers(4, size=rows.height)
    bad = pl.Series(draw < _BAD)
    gone = pl.Series((draw >= _BAD) & (draw < _BAD + _GONE))
    kind = pl.Series(which)
    rows = rows.with_columns(
        pl.when(bad & (kind == 0)).then(pl.lit("")).otherwise("user_id").alias("user_id"),
        pl.when(bad & (kind == 1))
        .then(pl.lit(""))
        .when(gone)
        .then(pl.format("gone{}", pl.Series(which)))
        .otherwise("item_id")
        .alias("item_id"),
        pl.when(bad & (kind == 2)).then(pl.lit("glance")).otherwise("event_type").alias("event_type"),
        pl.when(bad & (kind == 3)).then(-1.0).otherwise("price").alias("price"),
    )
    twice = np.sort(np.concatenate([np.arange(rows.height), np.flatnonzero(rng.random(rows.height) < _DUPLICATES)]))
    return rows[twice]


def _truth(shop: Shop, user_ids: pl.Series) -> pl.DataFrame:
    users = pl.DataFrame({"id": user_ids, "categories": shop.shoppers.tastes.tolist()})
    items = pl.DataFrame(
        {"id": shop.catalogue.table.get_column("item_id"), "categories": shop.catalogue.category[:, None].tolist()}
    )
    return pl.concat(
        [users.select(pl.lit("user").alias("kind"), pl.all()), items.select(pl.lit("item").alias("kind"), pl.all())]
    )
