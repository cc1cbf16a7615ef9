"""A table that joins others: one row a key, of a table as it is or of a long one whose properties become columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from offline.dataset.ids import has_point_zero, tidy_ids
from offline.dataset.missing import MISSING_WORDS
from offline.dataset.nested import reach
from offline.dataset.numbers import Mark
from offline.dataset.reading import FILE, ROW, read_errors, text
from offline.dataset.source_facts import JoinFacts
from offline.dataset.source_spec import Join
from offline.dataset.times import seconds, survey_times
from offline.dataset.where import with_where
from offline.errors import DatasetError, Mistake
from offline.tables.flaws import FLAW
from offline.tables.formats import ending_of
from offline.tables.lines import line_numbers

KEY: Final = "join_key_"
"""Begins the names of columns that hold keys as they are compared."""
_PROPERTY: Final = "join_property"
_VALUE: Final = "join_value"
_NEWEST: Final = "join_newest"
_COUNTS: Final = "join_counts"


@dataclass(frozen=True)
class Reading:
    """How values of a table are read: words that are none, the order of dates, the mark of fractions."""

    missing: Sequence[str] = MISSING_WORDS
    day_first: bool | None = None
    decimal: Mark | None = None


def stem_of(file: str) -> str:
    """The name of a file without folders and ending."""
    name = Path(file).name
    return name[: len(name) - len(ending_of(name) or "")]


def with_keys(rows: pl.LazyFrame, columns: Sequence[str], missing: Sequence[str]) -> pl.LazyFrame:
    """`rows` with each of `columns` once more, as keys are compared: as ids are, under the names `KEY` and a number."""
    keys = [f"{KEY}{number}" for number in range(len(columns))]
    schema = rows.collect_schema()
    rows = rows.with_columns(
        reached.values.alias(key)
        for key, column in zip(keys, columns, strict=True)
        if (reached := reach(column, schema)) is not None
    )
    schema = rows.collect_schema()
    return rows.with_columns(_tidy(rows, key, schema[key], missing) for key in keys)


def _tidy(rows: pl.LazyFrame, key: str, dtype: pl.DataType, missing: Sequence[str]) -> pl.Expr:
    point_zero = has_point_zero(rows, key, missing)

    def tidy(ids: pl.Series) -> pl.Series:
        return tidy_ids(ids, point_zero=point_zero)

    return text(key, dtype, missing).map_batches(tidy, return_dtype=pl.String, is_elementwise=True)


def one_a_key(
    rows: pl.LazyFrame,
    join: Join,
    columns: Mapping[str, str],
    *,
    files: Sequence[str],
    location: str,
    reading: Reading,
) -> tuple[pl.DataFrame, JoinFacts]:
    """The keys of a table that joins, one row each, with some of its columns.

    Args:
        rows: all rows of `files`, with their flaws.
        join: what the data set says of it.
        columns: new name -> own name (of a long table: the property) of those that are wanted.
        files: that are read.
        location: of the table in the data set, for errors.
        reading: how its values are read.

    Raises:
        DatasetError: a file cannot be read, or the order of day and month of `newest` cannot be told.
    """
    keys = [f"{KEY}{number}" for number in range(len(join.on))]
    with read_errors(files, location):
        rows = with_keys(rows, list(join.on.values()), reading.missing)
        if join.where:
            rows = with_where(rows, join.where, _COUNTS, missing=reading.missing, decimal=reading.decimal)
        else:
            rows = rows.with_columns(pl.lit(value=True).alias(_COUNTS))
        if join.newest:
            rows = _with_newest(rows, join.newest, location, reading)
        if join.pivot:
            rows, values = _with_property(rows, join.pivot, reading), [_PROPERTY, _VALUE]
            rows = rows.with_columns(pl.col(_COUNTS) & pl.col(_PROPERTY).is_in(list(columns.values())))
        else:
            rows = rows.select(pl.exclude(columns), *(pl.col(own).alias(new) for new, own in columns.items()))
            values = list(columns)
        further = [name for name in (FLAW, _NEWEST) if name in rows.collect_schema()]
        table = rows.select(ROW, FILE, _COUNTS, *further, *keys, *values).collect(engine="streaming")
    good = table if FLAW not in table.columns else table.filter(pl.col(FLAW).is_null())
    counted = good.filter(_COUNTS).drop_nulls(keys)
    if join.newest:
        counted = counted.sort(_NEWEST, descending=True, nulls_last=True, maintain_order=True)
    place = [*keys, _PROPERTY] if join.pivot else keys
    counted = counted.select(*keys, *values)
    single = counted.unique(place, keep="first", maintain_order=True)
    repeated = _repeated(counted, single, place)
    result = _wide(single, keys, columns) if join.pivot else single
    facts = JoinFacts(
        stem=stem_of(files[0]),
        files=tuple(files),
        location=location,
        on=", ".join(join.on),
        read=table.height,
        keys=result.height,
        left_out=0 if join.pivot else good.height - int(good.get_column(_COUNTS).sum()),
        repeated=repeated.height,
        repeated_key=_shown(repeated),
        unreadable=table.height - good.height,
        unreadable_place=_place(table, files) if table.height > good.height else "",
        newest=join.newest is not None,
        some_key=_shown(result.select(keys)),
    )
    return result, facts


def properties_of(
    rows: pl.LazyFrame, join: Join, *, files: Sequence[str], location: str, reading: Reading
) -> list[str]:
    """The properties of a long table, sorted: they become columns.

    Raises:
        DatasetError: a file cannot be read.
    """
    assert join.pivot is not None  # noqa: S101 - of a long table
    with read_errors(files, location):
        long = _with_property(rows, join.pivot, reading).select(pl.col(_PROPERTY).unique())
        names = long.collect(engine="streaming").to_series().drop_nulls().sort().to_list()
    return [str(name) for name in names]


def _with_property(rows: pl.LazyFrame, pivot: tuple[str, str], reading: Reading) -> pl.LazyFrame:
    schema = rows.collect_schema()
    prop, value = (reach(name, schema) for name in pivot)
    assert prop is not None  # noqa: S101 - the columns are there
    assert value is not None  # noqa: S101 - the columns are there
    rows = rows.with_columns(prop.values.alias(_PROPERTY), value.values.alias(_VALUE))
    return rows.with_columns(text(_PROPERTY, prop.dtype, reading.missing))


def _with_newest(rows: pl.LazyFrame, column: str, location: str, reading: Reading) -> pl.LazyFrame:
    newest = reach(column, rows.collect_schema())
    assert newest is not None  # noqa: S101 - the column is there
    rows = rows.with_columns(newest.values.alias(_NEWEST))
    clock = survey_times(rows, _NEWEST, day_first=reading.day_first)
    if clock.order.unclear:
        expected = f"times whose order of day and month can be told in the column {column!r}"
        got = f"{clock.order.unclear[0]!r}, which can be read in two ways"
        advice = "write day_first = true if the day stands first, else day_first = false"
        raise DatasetError(Mistake(location, expected, got, advice))
    return rows.with_columns(seconds(_NEWEST, newest.dtype, clock))


def _repeated(counted: pl.DataFrame, single: pl.DataFrame, place: Sequence[str]) -> pl.DataFrame:
    """The keys with rows that differ, in their order."""
    if counted.height == single.height:
        return single.clear().select(place)
    different = counted.unique().group_by(place).len().filter(pl.col("len") > 1)
    return single.select(place).join(different, on=list(place), how="semi", maintain_order="left")


def _wide(rows: pl.DataFrame, keys: Sequence[str], columns: Mapping[str, str]) -> pl.DataFrame:
    """A column for each property that is wanted."""
    return rows.group_by(keys, maintain_order=True).agg(
        pl.col(_VALUE).filter(pl.col(_PROPERTY) == own).first().alias(new) for new, own in columns.items()
    )


def _shown(keys: pl.DataFrame) -> str:
    return ", ".join(repr(value) for value in keys.row(0)) if keys.height else ""


def _place(table: pl.DataFrame, files: Sequence[str]) -> str:
    bad = table.filter(pl.col(FLAW).is_not_null()).row(0, named=True)
    file = files[bad[FILE]]
    line = line_numbers(file, [bad[ROW]]).get(bad[ROW])
    place = f"row {bad[ROW]} of {file}" if line is None else f"line {line} of {file}"
    return f"{place}: {bad[FLAW]}"


def public_names(taken: Sequence[str], own: Sequence[str], stem: str) -> dict[str, str]:
    """New name -> own name of columns that join others: `STEM.column` where the name is taken."""
    names: dict[str, str] = {}
    known = set(taken)
    for column in own:
        new, number = column, 1
        while new in known:
            new = f"{stem}.{column}" if number == 1 else f"{stem}_{number}.{column}"
            number += 1
        names[new] = column
        known.add(new)
    return names
