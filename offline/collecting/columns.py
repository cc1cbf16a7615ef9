"""The columns of collected events and impressions, with the names and the form of times of the data set."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl

from app.artifact.stream_records import EventRecord, ImpressionRecord
from offline.dataset.people import person_column
from offline.dataset.spec import EventsSpec

NO_SPLIT: Final = "collected_split"
"""An empty column: a data set whose own split column says nothing of what is collected names this one instead."""

SECONDS: Final = "seconds"
_UNITS: Final = {SECONDS: 1.0, "milliseconds": 1e3, "microseconds": 1e6, "nanoseconds": 1e9}
_ROLES: Final = ("user", "item", "type", "time", "session", "query", "price", "quantity", "currency")
_TYPE: Final = "event_type"  # where the data set has one type for all
VISITOR: Final = "visitor_id"
_OWN: Final = ("shown_position", "request_id", "event_id", VISITOR)
_EVENTS: Final = pl.Schema(
    {
        "user": pl.String,
        "item": pl.String,
        "type": pl.String,
        "time": pl.Float64,
        "session": pl.String,
        "query": pl.String,
        "price": pl.Float64,
        "quantity": pl.Float64,
        "currency": pl.String,
        "shown_position": pl.Int64,
        "request_id": pl.String,
        "event_id": pl.String,
        "visitor_id": pl.String,
    }
)
_IMPRESSIONS: Final = pl.Schema(
    {
        "request_id": pl.String(),
        "user_hash": pl.String(),
        "model_version": pl.String(),
        "timestamp": pl.Float64(),
        "item_ids": pl.List(pl.String),
        "first_position": pl.Int64(),
        "query": pl.String(),
        "corrected_query": pl.String(),
        "total": pl.Int64(),
        "matched_by": pl.String(),
    }
)


@dataclass(frozen=True)
class TimeForm:
    """How times are written: as numbers of a unit, or as datetimes of a time zone."""

    unit: str = SECONDS
    zone: str | None = None

    @property
    def is_datetime(self) -> bool:
        """Whether times are datetimes rather than numbers."""
        return self.unit == "datetime"

    def written(self, seconds: pl.Expr) -> pl.Expr:
        """Convert unix seconds to this form."""
        if not self.is_datetime:
            return seconds * _UNITS[self.unit]
        instant = (seconds * 1e6).round().cast(pl.Int64, strict=False).cast(pl.Datetime("us"))
        return instant if self.zone is None else instant.dt.replace_time_zone("UTC").dt.convert_time_zone(self.zone)

    def seconds(self, written: pl.Expr) -> pl.Expr:
        """Convert times of this form to unix seconds."""
        return written.dt.epoch("us") / 1e6 if self.is_datetime else written / _UNITS[self.unit]


def unit_of(ratio: float) -> str:
    """Return the unit whose number in a second is nearest to `ratio`."""
    return min(_UNITS, key=lambda name: abs(_UNITS[name] - ratio))


@dataclass(frozen=True)
class EventColumns:
    """The column of each role and of each field that only Aisle knows, and the form of times."""

    of: dict[str, str] = field(default_factory=dict)
    times: TimeForm = TimeForm()
    no_split: bool = False

    @property
    def names(self) -> list[str]:
        """The names of all columns, in order."""
        return [*self.of.values(), *([NO_SPLIT] if self.no_split else [])]

    def seconds(self) -> pl.Expr:
        """The unix seconds of each row."""
        return self.times.seconds(pl.col(self.of["time"]))

    def person(self) -> pl.Expr:
        """The text of each row's person: see `offline.dataset.people`."""
        return person_column(pl.col(self.of["user"]), pl.col(self.of["visitor_id"]))

    def frame(self, users: Sequence[str | None], events: Sequence[EventRecord]) -> pl.DataFrame:
        """Return a row for each event; `users` holds the user of each, `None` where it is the visitor's own."""
        rows = [
            (
                user,
                event.item_id,
                event.type,
                event.time,
                event.session_id,
                event.query,
                event.price,
                event.quantity,
                event.currency,
                event.position,
                event.request_id,
                event.event_id,
                event.visitor_id,
            )
            for user, event in zip(users, events, strict=True)
        ]
        table = pl.DataFrame(rows, schema=_EVENTS, orient="row").with_columns(self.times.written(pl.col("time")))
        named = table.select(pl.col(role).alias(column) for role, column in self.of.items())
        return named.with_columns(pl.lit(None, pl.String).alias(NO_SPLIT)) if self.no_split else named


def event_columns(table: EventsSpec, times: TimeForm) -> EventColumns:
    """Return the columns that `[events]` names. A role that shares its column with an earlier role has none.

    Visitors are in the column that it names for them, else in one of their own.
    """
    taken: dict[str, str] = {}
    for role in _ROLES:
        column = _TYPE if role == "type" and table.type_column is None else getattr(table, role)
        if column not in taken.values():
            taken[role] = column
    for name in _OWN:
        if name == VISITOR and table.visitor is not None:
            taken[name] = table.visitor
            continue
        free = name
        while free in taken.values():
            free = f"collected_{free}"
        taken[name] = free
    return EventColumns(taken, times, no_split=table.split == NO_SPLIT)


def read_impressions(paths: Sequence[Path]) -> pl.DataFrame:
    """Return the rows of some files of impressions; what an earlier file has no column for is null."""
    tables = [pl.read_parquet(path, glob=False) for path in paths]
    return pl.concat([_IMPRESSIONS.to_frame(), *tables], how="diagonal")


def impression_frame(records: Sequence[ImpressionRecord]) -> pl.DataFrame:
    """Return a row for each answer that was shown."""
    rows = [
        (
            record.request_id,
            record.user_hash,
            record.model_version,
            record.time,
            record.item_ids,
            record.first_position,
            record.query,
            record.corrected_query,
            record.total,
            record.matched_by,
        )
        for record in records
    ]
    return pl.DataFrame(rows, schema=_IMPRESSIONS, orient="row")


IMPRESSION_COLUMNS: Final = tuple(_IMPRESSIONS)
EARLIER_IMPRESSION_COLUMNS: Final = IMPRESSION_COLUMNS[: IMPRESSION_COLUMNS.index("query")]
"""Of files from before answers were noted with their queries."""
