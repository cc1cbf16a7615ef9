"""Ingest: the files of a `dataset.toml` become typed tables of one form, every bad row accounted for."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl

from app.artifact.behaviours import BEHAVIOURS
from offline.dataset.catalogue_mark import read_catalogue_mark
from offline.dataset.fingerprint import fingerprint
from offline.dataset.live_items import read_live_items
from offline.dataset.open_source import open_source
from offline.dataset.people import are_visitors
from offline.dataset.reading import ColumnRequest, find_files, number, read_columns, text
from offline.dataset.spec import DatasetSpec
from offline.errors import DatasetError, Mistake
from offline.ingest.clean_events import CleanEvents, clean_events, event_requests
from offline.ingest.clean_items import (
    ITEMS_SCHEMA,
    USERS_SCHEMA,
    CleanRows,
    clean_users,
    item_requests,
    user_requests,
)
from offline.ingest.heavy_users import heavy_users
from offline.ingest.order_events import EVENTS_SCHEMA
from offline.ingest.rejects import REJECTED_SCHEMA, with_lines
from offline.ingest.variants import variant_ids, with_products
from offline.ingest.with_live_items import bare_rows, current_items, with_live_items
from offline.tables.temporary import temporary_tables
from offline.workspace.atomic import atomic_folder, check_output_folder
from offline.workspace.progress import Progress, silent

SUMMARY_FILE = "summary.json"

Summary = dict[str, object]

_NONE_READ: Summary = {"read": 0, "kept": 0, "duplicates": 0, "rejected": 0, "reasons": {}}


def ingest(spec: DatasetSpec, out: Path, progress: Progress | None = None, *, max_bad_share: float = 0.05) -> Summary:
    """Write what `spec` describes to the folder `out`, whole or not at all, and return its summary.

    `events.parquet` (sorted by user_id, order), `items.parquet` (sorted by item_id), `users.parquet`,
    `rejected.parquet` and `summary.json`; `undone.parquet` where events were taken back; for graded_search
    `queries.parquet` (query_id, query) and `judgments.parquet` (query_id, item_id, relevance) too. Tables that the set
    lacks are empty.

    Raises:
        DatasetError: a file or column is missing, or more than `max_bad_share` of a table is bad.
        RunFolderError: `out` holds something else.
    """
    check_output_folder(out, SUMMARY_FILE)
    with temporary_tables(progress):
        return _ingest(spec, out, progress or silent, max_bad_share)


def _ingest(spec: DatasetSpec, out: Path, tell: Progress, max_bad_share: float) -> Summary:
    _check_columns(spec)
    mark = read_catalogue_mark(spec.root)  # before the items, which may be newer and never older
    tell(0, 4, "reading the catalogue")
    with atomic_folder(out, SUMMARY_FILE) as folder:
        items = current_items(spec, spec.items, max_bad_share) if spec.items else _no_rows(ITEMS_SCHEMA)
        users = clean_users(spec, spec.users, max_bad_share) if spec.users else _no_rows(USERS_SCHEMA)
        variants = variant_ids(items.rows)
        tell(1, 4, "reading events")
        work = folder / "work"
        work.mkdir()
        file = folder / "events.parquet"
        events = (
            clean_events(spec, spec.events, file, work, max_bad_share=max_bad_share, variants=variants, progress=tell)
            if spec.events
            else _no_events(file)
        )
        if spec.items is None:
            items = _known_by_events(spec, events.events, items)
        tables = {"items": items.rows, "users": users.rows, **read_graded(spec, variants)}
        tell(2, 4, "counting")
        undone = {} if events.undone is None else {"undone": events.undone}
        lazy = {"events": events.events} | undone | {name: table.lazy() for name, table in tables.items()}
        summary = _summary(spec, events, items, users) | {"fingerprint": fingerprint(lazy)}
        if mark is not None:
            summary["catalogue"] = mark.model_dump()
        tell(3, 4, "writing tables")
        for name, table in tables.items():
            table.write_parquet(folder / f"{name}.parquet")
        rejected = pl.concat([events.rejected, items.rejected.lazy(), users.rejected.lazy()]).collect()
        with_lines(rejected).write_parquet(folder / "rejected.parquet")
        shutil.rmtree(work)
        (folder / SUMMARY_FILE).write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    tell(4, 4, "ingested")
    return summary


def _check_columns(spec: DatasetSpec) -> None:
    """Stop before anything is read when a table lacks a required column."""
    tables: list[tuple[str, list[ColumnRequest]]] = []
    if spec.events:
        tables.append(("events", event_requests(spec, spec.events)))
    if spec.items:
        tables.append(("items", item_requests(spec, spec.items)))
    if spec.users:
        tables.append(("users", user_requests(spec, spec.users)))
    for name, requests in tables:
        if missing := open_source(spec, name).missing(requests):
            raise DatasetError(*missing)


def read_graded(spec: DatasetSpec, variants: pl.DataFrame | None = None) -> dict[str, pl.DataFrame]:
    """The queries and judgments of a graded search, relevance as f64; nothing for another task.

    Of a judged item's `variants` the most relevant one counts.

    Raises:
        DatasetError: a file, a column or a value is missing.
    """
    if spec.evaluation.task != "graded_search":
        return {}
    tables = {}
    for key, path, columns in (
        ("queries", spec.evaluation.queries, ("query_id", "query")),
        ("judgments", spec.evaluation.judgments, ("query_id", "item_id", "relevance")),
    ):
        location = spec.toml.location("evaluation", key)
        files = find_files(spec.root, (path,), location)
        raw = read_columns(
            files, [ColumnRequest(column, column, location, required=True) for column in columns], location
        )
        readers = {"relevance": number}
        rows = raw.select(readers.get(column, text)(column, raw.schema[column]) for column in columns)
        if sum(rows.null_count().row(0)):
            expected = f"{', '.join(columns)} in every row of {path}"
            raise DatasetError(
                Mistake(location, expected, "an empty or unreadable one", "fill it in or remove the row")
            )
        tables[key] = rows.unique(maintain_order=True)
    if variants is not None:
        judged = with_products(tables["judgments"], "item_id", variants)
        tables["judgments"] = judged.group_by("query_id", "item_id", maintain_order=True).agg(pl.col("relevance").max())
    return tables


def _no_events(file: Path) -> CleanEvents:
    pl.DataFrame(schema=EVENTS_SCHEMA).write_parquet(file)
    return CleanEvents(
        pl.scan_parquet(file),
        None,
        pl.LazyFrame(schema=REJECTED_SCHEMA),
        _NONE_READ,
        has_time=False,
        has_order=False,
    )


def _no_rows(schema: pl.Schema) -> CleanRows:
    return CleanRows(pl.DataFrame(schema=schema), pl.DataFrame(schema=REJECTED_SCHEMA), _NONE_READ)


def _known_by_events(spec: DatasetSpec, events: pl.LazyFrame, none: CleanRows) -> CleanRows:
    """The items that events name, where some were changed while they were served; `none` where there is no change."""
    changes = read_live_items(spec.root)
    if not changes:
        return none
    named = events.select(pl.col("item_id").unique()).collect(engine="streaming")
    rows, counts = with_live_items(bare_rows(named), changes, spec)
    return replace(none, rows=rows, counts=none.counts | {"live": counts})


def _summary(spec: DatasetSpec, events: CleanEvents, items: CleanRows, users: CleanRows) -> Summary:
    before_test = pl.col("split").ne_missing("test")
    facts = (
        events.events.select(
            users=pl.col("user_id").n_unique(),
            items=pl.col("item_id").n_unique(),
            has_split=pl.col("split").is_not_null().any(),
            types=pl.col("type").filter(before_test).unique().implode(),
        )
        .collect(engine="streaming")
        .row(0, named=True)
    )
    absent = events.events.join(items.rows.lazy().select("item_id"), on="item_id", how="anti").select(pl.len())
    return {
        "dataset": spec.name,
        "events": events.counts
        | {
            "users": facts["users"],
            "items": facts["items"],
            "on_items_absent_from_catalogue": int(absent.collect(engine="streaming").item()),
            "heavy_users": heavy_users(events.events),
        }
        | ({"visitors": _visitors(events.events)} if spec.events and spec.events.visitor else {}),
        "items": items.counts | _missing(items.rows),
        "users": users.counts,
        "has_time": events.has_time,
        "has_order": events.has_order,
        "has_split": facts["has_split"],
        "behaviours": [name for name, code in BEHAVIOURS.items() if code in facts["types"]],
    }


def _visitors(events: pl.LazyFrame) -> int:
    """How many of the people are visitors."""
    people = events.select(pl.col("user_id").unique()).filter(are_visitors(pl.col("user_id"))).select(pl.len())
    return int(people.collect(engine="streaming").item())


def _missing(items: pl.DataFrame) -> Summary:
    """How many items lack each thing that is worth knowing of an item, and the share of them."""
    counts = {name: items.get_column(name).null_count() for name in ("title", "category", "brand", "price")}
    shares = {name: round(count / max(1, items.height), 4) for name, count in counts.items()}
    return {f"missing_{name}": count for name, count in counts.items()} | {"missing_share": shares}
