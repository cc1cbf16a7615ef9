"""Read a collected data set as two tables: the answers that were shown, and the events."""

from pathlib import Path

import polars as pl

from offline.collecting.collect import IMPRESSIONS_FOLDER
from offline.collecting.columns import read_impressions
from offline.collecting.dataset_file import EVENTS_FOLDER, TIMES_FILE, read_dataset_file
from offline.collecting.parts import Parts
from offline.dataset.spec import SPEC_FILE, read_spec
from offline.errors import RunFolderError
from offline.ingest.clean_items import clean_items
from offline.ingest.variants import variant_ids, with_products
from offline.tables.temporary import temporary_tables


def was_collected(folder: Path) -> bool:
    """Return whether `collect` wrote the data set, with answers that were shown."""
    return (folder / TIMES_FILE).is_file() and bool(Parts(folder / IMPRESSIONS_FOLDER).all)


def read_shown(logs: Path) -> pl.DataFrame:
    """Return a row for each answer that was shown, ordered by time.

    The columns are `answer` (a number in that order), `request_id`, `person` (hash, null for nobody), `version`, `at`
    (unix seconds), `items` (list) and `first_rank`.

    Raises:
        RunFolderError: no impressions were collected there.
    """
    columns = _impressions(logs).select(
        "request_id",
        person="user_hash",
        version="model_version",
        at="timestamp",
        items="item_ids",
        first_rank="first_position",
    )
    return columns.filter(pl.col("items").list.len() > 0).sort("at", maintain_order=True).with_row_index("answer")


def read_searches(logs: Path) -> pl.DataFrame:
    """Return a row for each first page that answered a query, ordered by time, with or without items.

    The columns are `request_id`, `person` (hash, null for nobody), `version`, `at` (unix seconds), `query` (as it was
    typed) and `total` (items that the answer could show, null where it is not known). Answers from before queries were
    noted have none.

    Raises:
        RunFolderError: no impressions were collected there.
    """
    searches = _impressions(logs).filter(pl.col("query").is_not_null() & (pl.col("first_position") == 1))
    columns = searches.select(
        "request_id", "query", "total", person="user_hash", version="model_version", at="timestamp"
    )
    return columns.sort("at", maintain_order=True)


def _impressions(logs: Path) -> pl.DataFrame:
    parts = Parts(logs / IMPRESSIONS_FOLDER).all
    if not parts:
        raise RunFolderError(
            f"{logs}: expected a folder that `aisle-offline collect` wrote what was shown into, got no "
            f"{IMPRESSIONS_FOLDER}/*.parquet: collect first; a service keeps what it shows in Redis only"
        )
    return read_impressions([part.path for part in parts])


def read_events(logs: Path) -> pl.DataFrame:
    """Return a row for each event, in the order of the stream.

    The columns are `user` (the text of a person, see `offline.dataset.people`), `item`, `type`, `at` (unix seconds),
    `request_id` and `query`.

    Raises:
        DatasetError: `dataset.toml` cannot be read.
    """
    parts = Parts(logs / EVENTS_FOLDER).all
    if not parts or not (logs / SPEC_FILE).is_file():
        names = ("user", "item", "type", "at", "request_id", "query")
        return pl.DataFrame(schema={name: pl.Float64 if name == "at" else pl.String for name in names})
    columns, spec = read_dataset_file(logs).columns, read_spec(logs)
    events = pl.concat([pl.read_parquet(part.path, glob=False) for part in parts])
    of = columns.of
    events = events.select(
        user=columns.person(),
        item=of["item"],
        type=of["type"],
        at=columns.seconds(),
        request_id=of["request_id"],
        query=pl.col(of["query"]) if "query" in of else pl.lit(None, pl.String),
    )
    if spec.items is None or spec.items.variant_of is None:
        return events
    with temporary_tables():  # answers showed items, events may name a variant of them
        return with_products(events, "item", variant_ids(clean_items(spec, spec.items, 1.0).rows))
