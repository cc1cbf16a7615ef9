"""Check that the earlier logs of a shop and collected events can stand in one data set."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from offline.collecting.columns import TimeForm, event_columns, unit_of
from offline.dataset.event_meaning import Constant
from offline.dataset.reading import find_files, scan
from offline.dataset.spec import DatasetSpec, EventsSpec, load_spec
from offline.dataset.times import unix_seconds
from offline.errors import DatasetError

_APART = (pl.Binary, pl.Duration, pl.Time, pl.Object)  # nothing collected can stand in one column with these
_SAMPLE = 100_000  # rows whose times are looked at


@dataclass(frozen=True)
class Base:
    """A data set that collected events can be added to."""

    spec: DatasetSpec
    times: TimeForm
    has_split: bool
    has_time: bool
    columns: tuple[str, ...] = ()  # of its events


def read_base(path: Path) -> Base:
    """Read the data set at `path` (a `dataset.toml` or its folder), and check the columns of its events.

    Raises:
        DatasetError: the data set cannot be read, or its events and collected ones cannot stand in one table.
    """
    spec = load_spec(path)
    if spec.events is None:
        return Base(spec, TimeForm(), has_split=False, has_time=True)
    table, location = spec.events, spec.toml.location("events")
    if table.joins or table.unnest or table.where:
        raise DatasetError(
            f"{location}: expected events that stand in files as they are, got joined tables, lists as rows "
            "or a filter, which what is collected has not: collect without --base"
        )
    rows = scan(find_files(spec.root, table.names, location), location)
    schema = rows.collect_schema()
    _require_types(table, schema, location)
    times = _time_form(table, rows, schema)
    return Base(spec, times, has_split=table.split in schema, has_time=table.time in schema, columns=tuple(schema))


def _require_types(table: EventsSpec, schema: pl.Schema, location: str) -> None:
    if isinstance(table.type, Constant):
        raise DatasetError(
            f"{location}: expected a column that says what each event is, got the constant {table.type.constant!r}: "
            f"collected events are of other types, too; add the column, filled with {table.type.constant}, and name it"
        )
    if table.type not in schema:
        raise DatasetError(
            f"{location}: expected a column {table.type!r} that says what each event is, got {', '.join(schema)}: "
            "collected events have one, and beside them these would have none; add the column, filled with view"
        )
    for column in event_columns(table, TimeForm()).names:
        dtype = schema.get(column, pl.String())
        if dtype.is_nested() or dtype in _APART:
            raise DatasetError(
                f"{location}: expected text, numbers or points in time in {column!r}, where collected events have "
                f"theirs, got {dtype}: convert or rename the column"
            )
    for column in filter(None, (table.user, table.visitor, table.item)):
        if column in schema and schema[column].is_float():
            raise DatasetError(
                f"{location}: expected ids in {column!r} as text or whole numbers, got {schema[column]}: beside the "
                "text of collected ids, 7.0 would not be 7; convert the column"
            )


def _time_form(table: EventsSpec, rows: pl.LazyFrame, schema: pl.Schema) -> TimeForm:
    """Return how the base writes times: seconds when it has none, or writes them as text."""
    if table.time not in schema:
        return TimeForm()
    dtype = schema[table.time]
    if isinstance(dtype, pl.Datetime):
        return TimeForm("datetime", dtype.time_zone)
    if dtype.is_temporal():
        return TimeForm("datetime")
    given = rows.select(table.time).head(_SAMPLE).collect().to_series()
    numbers = (given.str.strip_chars() if given.dtype == pl.String else given).cast(pl.Float64, strict=False)
    if not (numbers > 0).any():
        return TimeForm()
    numbers = numbers.set(~(numbers > 0).fill_null(value=False), None)
    seconds = unix_seconds(numbers)
    ratio = (numbers / seconds).median()
    return TimeForm(unit_of(ratio)) if isinstance(ratio, float) else TimeForm()
