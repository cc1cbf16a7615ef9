"""Events as a shop exports them, brought to one form: typed, checked, without duplicates, in order.

Events stream: rows are typed a batch at a time and ordered a range of users at a time, with files in between.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from app.artifact.people import Person
from offline.dataset.open_source import open_source
from offline.dataset.people import hide_mails, person_text
from offline.dataset.reading import ColumnRequest, batches_of, read_errors
from offline.dataset.spec import DatasetSpec, EventsSpec
from offline.ingest import rejects
from offline.ingest.order_events import EVENTS_SCHEMA, UNDONE_FILE, order_events
from offline.ingest.rejects import REASON
from offline.ingest.split_ids import split_ids
from offline.ingest.survey_events import EventFacts, describe_events, survey
from offline.ingest.type_events import (
    EVENT_ROLES,
    LEFT_OUT,
    NO_QUANTITY,
    UNREADABLE_PRICE,
    LeftOut,
    position_roles,
    type_events,
)
from offline.ingest.variants import with_products
from offline.workspace.progress import Progress, silent

ROW_GROUP = 500_000
"""Rows of a row group of `events.parquet`."""

BATCH_ROWS = 500_000
RANGE_EVENTS = 2_000_000


@dataclass(frozen=True)
class CleanEvents:
    """`events` (a file sorted by user_id, order), what was taken back, the rows set aside, and counts."""

    events: pl.LazyFrame
    undone: pl.LazyFrame | None
    rejected: pl.LazyFrame
    counts: dict[str, object]
    has_time: bool
    has_order: bool


def event_requests(spec: DatasetSpec, table: EventsSpec) -> list[ColumnRequest]:
    """The columns of `[events]`: item, user or visitor, and each column that the TOML names itself, must be there."""
    columns = {role: getattr(table, role) for role in EVENT_ROLES if role != "position"}
    columns |= {"user": table.user_column, "type": table.type_column}
    columns |= dict(zip(position_roles(len(table.position)), table.position, strict=True))
    needed = {"item", "user"} if table.needs_user else {"item"}
    return [
        ColumnRequest(
            role=role,
            column=column,
            location=spec.toml.location("events", key := role.partition(".")[0]),
            required=role in needed or key in table.model_fields_set,
        )
        for role, column in columns.items()
        if column is not None
    ]


def clean_events(
    spec: DatasetSpec,
    table: EventsSpec,
    out: Path,
    work: Path,
    *,
    max_bad_share: float,
    variants: pl.DataFrame | None = None,
    progress: Progress | None = None,
) -> CleanEvents:
    """Read and clean `[events]` into the Parquet file `out`; `work` is an empty folder for intermediate files.

    Ids of the `variants` (see `offline.ingest.variants.variant_ids`) become those of their items. Where events were
    taken back, `undone.parquet` beside `out` holds these and what took them back.

    Raises:
        DatasetError: a file or a column is missing, or more than `max_bad_share` of the rows are bad.
    """
    location = spec.toml.location("events", "path")
    source = open_source(spec, "events")
    files = source.files
    scanned = source.scan(event_requests(spec, table))
    raw = scanned.frame
    order_location = spec.toml.location("events", "time")
    with read_errors(files, location):
        facts = survey(raw, table, order_location)
    typed = _typed_parts(raw, table, facts, files, work, location, variants, progress or silent)
    if typed is None:  # further down numbers are written as the first rows did not show
        with read_errors(files, location):
            facts = survey(raw, table, order_location, whole=True)
        typed = _typed_parts(raw, table, facts, files, work, location, variants, progress or silent)
    assert typed is not None  # noqa: S101 - all rows were looked at
    rejects.refuse_too_many(typed.reasons, typed.first_bad, typed.read, max_bad_share, location, rejects.NOT_BAD)
    ordered = order_events(typed.parts, work, by_position=typed.has_position, range_events=RANGE_EVENTS)
    parts = pl.scan_parquet(ordered.parts) if ordered.parts else pl.LazyFrame(schema=EVENTS_SCHEMA)
    parts.sink_parquet(out, row_group_size=ROW_GROUP, engine="streaming")
    if ordered.undone_parts:
        undone = pl.scan_parquet(ordered.undone_parts)
        undone.sink_parquet(out.with_name(UNDONE_FILE), row_group_size=ROW_GROUP, engine="streaming")
    events = pl.scan_parquet(out)
    missing = events.select(pl.col("time").null_count()).collect(engine="streaming").item()
    counts: dict[str, object] = {
        "read": typed.read,
        "kept": ordered.kept,
        "duplicates": ordered.duplicates,
        "rejected": typed.reasons.total(),
        "reasons": rejects.count_reasons(typed.reasons),
        "skipped": typed.skipped,
        **typed.left_out,
        "undone": ordered.undone,
        "undo_without_event": ordered.undo_without_event,
        "no_quantity": typed.no_quantity,
        "unreadable_price": typed.unreadable_price,
        "missing_time": missing,
        "missing_share": {"time": round(missing / max(1, ordered.kept), 4)},
    }
    counts |= replace(scanned.facts, unnest=scanned.facts.unnest + typed.without_ids).counts()
    if read_as := describe_events(facts, table):
        counts["read_as"] = read_as
    return CleanEvents(
        events,
        pl.scan_parquet(out.with_name(UNDONE_FILE)) if ordered.undone_parts else None,
        rejects.scan_rejected(typed.rejected),
        counts,
        has_time=typed.has_time_before_test,
        has_order=typed.has_time_before_test or typed.has_position_before_test,
    )


@dataclass
class _Typed:
    """Files of good rows and of bad ones, in their first order, and sums over all batches."""

    parts: list[Path] = field(default_factory=list)
    rejected: list[Path] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    first_bad: dict[str, Any] | None = None
    read: int = 0
    unreadable_price: int = 0
    skipped: int = 0  # of users and visitors that the data set leaves out
    without_ids: int = 0  # rows whose list of items is empty
    left_out: dict[str, int] = field(default_factory=lambda: {reason.value: 0 for reason in LeftOut})
    no_quantity: int = 0
    has_position: bool = False
    has_time_before_test: bool = False
    has_position_before_test: bool = False


def _typed_parts(
    raw: pl.LazyFrame,
    table: EventsSpec,
    facts: EventFacts,
    files: Sequence[str],
    work: Path,
    location: str,
    variants: pl.DataFrame | None,
    progress: Progress,
) -> _Typed | None:
    """Type `raw` a batch at a time into files of `work`; None where the first rows do not show how prices are read."""
    typed = _Typed()
    skipped = [
        *hide_mails(pl.Series(table.skip_users, dtype=pl.String)),
        *(person_text(Person("visitor", name)) for name in table.skip_visitors),
    ]
    for number, batch in enumerate(batches_of(raw, files, location, BATCH_ROWS)):
        progress(typed.read, facts.rows, "reading events")
        batch, empty = split_ids(batch, table)  # noqa: PLW2901 - the rows as they are read
        typed.without_ids += empty
        rows = rejects.flaws_first(type_events(batch, table, facts), batch)
        unreadable = int(rows.get_column(UNREADABLE_PRICE).sum())
        if unreadable and not facts.whole and batch.schema["price"] == pl.String:
            return None
        bad = rejects.rejected_rows(rows, batch, files)
        if bad.height:
            typed.rejected.append(work / f"rejected-{number:05d}.parquet")
            bad.write_parquet(typed.rejected[-1])
            typed.reasons.update(bad.get_column(REASON).to_list())
            typed.first_bad = typed.first_bad or bad.row(0, named=True)
        typed.read += batch.height
        typed.unreadable_price += unreadable
        good = rows.filter(pl.col(REASON).is_null())
        for reason in LeftOut:
            typed.left_out[reason.value] += int((good.get_column(LEFT_OUT) == reason.value).sum())
        good = good.filter(pl.col(LEFT_OUT).is_null())
        typed.no_quantity += int(good.get_column(NO_QUANTITY).sum())
        good = good.drop(REASON, UNREADABLE_PRICE, LEFT_OUT, NO_QUANTITY)
        if skipped:
            whole = good.height
            good = good.filter(~pl.col("user").is_in(skipped))
            typed.skipped += whole - good.height
        if not good.height:
            continue
        good = with_products(good, "item", variants)
        typed.parts.append(work / f"typed-{number:05d}.parquet")
        good.write_parquet(typed.parts[-1], compression="lz4")
        before_test = good.filter(pl.col("split").ne_missing("test"))
        typed.has_position |= good.get_column("position").is_not_null().any()
        typed.has_time_before_test |= before_test.get_column("time").is_not_null().any()
        typed.has_position_before_test |= before_test.get_column("position").is_not_null().any()
    return typed
