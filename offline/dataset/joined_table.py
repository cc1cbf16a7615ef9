"""A table that joins others: one row a key, of a table as it is or of a long one whose properties become columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from offline.dataset.ids import has_point_zero, tidy_ids
from offline.dataset.missing import MISSING_WORDS
from offline.dataset.nested import reach
from offline.dataset.numbers import Mark
from offline.dataset.people import hide_mails_in
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
_FILE_ROWS: Final = 1 << 40  # more than any file has


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
    """The keys of a table that joins, one row each, with the `source_file` and `source_row` of one, and some columns.

    Args:
        rows: all rows of `files`, with their flaws.
        join: what the data set says of it.
        columns: new name -> own name (of a long table: the property) of those that are read.
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
        is_row = pl.col(FLAW).is_null() if FLAW in rows.collect_schema() else pl.lit(value=True)
        sums = rows.select(
            read=pl.len(),
            unreadable=(~is_row).sum(),
            left_out=(is_row & ~pl.col(_COUNTS)).sum(),
            first_bad=pl.struct(FILE, ROW, pl.col(FLAW) if FLAW in rows.collect_schema() else pl.lit("").alias(FLAW))
            .filter(~is_row)
            .first(),
        )
        facts = sums.collect(engine="streaming").row(0, named=True)
        counted = rows.filter(is_row, _COUNTS, *(pl.col(key).is_not_null() for key in keys))
        if join.pivot:
            table, repeated = _long(counted, join, columns, keys, reading)
        else:
            table, repeated = _short(counted, join, columns, keys)
    return table, JoinFacts(
        table=Path(files[0]).name,
        on=", ".join(join.on),
        read=int(facts["read"]),
        keys=table.height,
        left_out=int(facts["left_out"]),
        repeated_keys=repeated.height,
        repeated_key=_shown(repeated),
        unreadable=int(facts["unreadable"]),
        unreadable_place=_place(facts["first_bad"], files) if facts["unreadable"] else "",
        newest=join.newest is not None,
        some_key=_shown(table.select(keys)),
    )


def _short(
    rows: pl.LazyFrame, join: Join, columns: Mapping[str, str], keys: Sequence[str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The first or newest row of each key, and the keys with rows that differ in the columns that are read."""
    own = {own: reach(own, rows.collect_schema()) for own in columns.values()}
    values = [inside.values.alias(new) for new, name in columns.items() if (inside := own[name]) is not None]
    newest = [_NEWEST] if join.newest else []
    table = rows.select(FILE, ROW, *newest, *keys, *values).collect(engine="streaming")
    if join.newest:
        table = table.sort(_NEWEST, descending=True, nulls_last=True, maintain_order=True).drop(_NEWEST)
    single = table.unique(keys, keep="first", maintain_order=True)
    return single, _repeated(table.drop(FILE, ROW), single, keys)


def _long(
    rows: pl.LazyFrame, join: Join, columns: Mapping[str, str], keys: Sequence[str], reading: Reading
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A column for each property that is read, and the keys and properties with values that differ."""
    assert join.pivot is not None  # noqa: S101 - of a long table
    number = pl.col(FILE).cast(pl.Int64) * _FILE_ROWS + pl.col(ROW)
    all_keys = rows.select(*keys, number.alias(ROW)).group_by(keys).agg(pl.col(ROW).min()).sort(ROW)
    single = all_keys.select((pl.col(ROW) // _FILE_ROWS).cast(pl.Int32).alias(FILE), pl.col(ROW) % _FILE_ROWS, *keys)
    newest = [_NEWEST] if join.newest else []
    values = _with_property(rows, join.pivot, reading).filter(pl.col(_PROPERTY).is_in(list(columns.values())))
    table = values.select(*newest, *keys, _PROPERTY, _VALUE).collect(engine="streaming")
    if join.newest:
        table = table.sort(_NEWEST, descending=True, nulls_last=True, maintain_order=True).drop(_NEWEST)
    entry = [*keys, _PROPERTY]
    first = table.unique(entry, keep="first", maintain_order=True)
    wide = first.group_by(keys).agg(
        pl.col(_VALUE).filter(pl.col(_PROPERTY) == own).first().alias(new) for new, own in columns.items()
    )
    result = single.collect(engine="streaming").join(wide, on=list(keys), how="left", maintain_order="left")
    return result, _repeated(table, first, entry)


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


def _repeated(counted: pl.DataFrame, single: pl.DataFrame, entry: Sequence[str]) -> pl.DataFrame:
    """The keys with rows that differ, in their order."""
    if counted.height == single.height:
        return single.clear().select(entry)
    different = counted.unique().group_by(entry).len().filter(pl.col("len") > 1)
    return single.select(entry).join(different, on=list(entry), how="semi", maintain_order="left")


def _shown(keys: pl.DataFrame) -> str:
    return example(", ".join(repr(value) for value in keys.row(0))) if keys.height else ""


def example(value: str) -> str:
    """A value for messages and summaries: of mail addresses their hashes."""
    return str(hide_mails_in(pl.Series([value]))[0])


def _place(bad: Mapping[str, Any], files: Sequence[str]) -> str:
    file = files[bad[FILE]]
    line = line_numbers(file, [bad[ROW]]).get(bad[ROW])
    return f"{f'row {bad[ROW]}' if line is None else f'line {line}'} of {file}: {bad[FLAW]}"


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
