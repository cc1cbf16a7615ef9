"""The first rows of a table as `dataset.toml` would have them: fields of objects, records of lists, joined tables."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import polars as pl

from offline.dataset.nested import reach
from offline.dataset.reading import own_columns, read_errors, scan, text
from offline.onboarding.column_profile import ColumnProfile, profile_column
from offline.onboarding.files import SAMPLE_ROWS, FileGroup
from offline.tables.flaws import SOURCE_COLUMNS

_DEPTH = 3  # of objects in objects


@dataclass(frozen=True)
class Link:
    """A table that joins rows by a key: `theirs` of the table is `ours` of the rows.

    `pivot` are the columns of a long table that hold a property and its value; `newest` that of when it was so.
    """

    group: FileGroup
    ours: str
    theirs: str
    pivot: tuple[str, str] | None = None
    newest: str | None = None


@dataclass(frozen=True)
class View:
    """The rows of `group`, with those that `links` join to them; `unnest` is the column whose records are rows."""

    group: FileGroup
    sample: pl.DataFrame
    links: tuple[Link, ...] = ()
    unnest: str | None = None
    inherited: Mapping[str, ColumnProfile] = field(default_factory=dict)  # of columns that a join has left as they were

    @cached_property
    def profiles(self) -> dict[str, ColumnProfile]:
        """The profile of each column, by name."""
        known = self.inherited
        return {
            column: known[column] if column in known else profile_column(self.sample, column)
            for column in self.sample.columns
        }

    @property
    def rows(self) -> int:
        """How many rows of it are known."""
        return self.sample.height

    @property
    def groups(self) -> tuple[FileGroup, ...]:
        """All tables that its rows come from."""
        return (self.group, *(link.group for link in self.links))

    def strings(self, column: str) -> pl.Series:
        """The values of `column` as texts that are there."""
        return self.sample.select(text(column, self.sample.schema[column])).to_series().drop_nulls()


def view_of(group: FileGroup) -> View:
    """The rows of a table; fields of objects are columns, `geo.country`."""
    return View(group, _with_fields(group.sample.drop("", strict=False)))  # no key can name a column without a name


def unnested(view: View, column: str) -> View:
    """A row for each record in the lists of `column`, whose fields are columns, `items.item_id`."""
    rows = view.sample.filter(pl.col(column).list.len() > 0).explode(column).head(SAMPLE_ROWS)
    return replace(
        view, sample=_with_fields(rows.drop(c for c in rows.columns if c.startswith(f"{column}."))), unnest=column
    )


def record_lists(view: View) -> list[str]:
    """The columns that hold lists of records."""
    return [
        column
        for column, dtype in view.sample.schema.items()
        if isinstance(dtype, pl.List) and isinstance(dtype.inner, pl.Struct)
    ]


def joined(view: View, link: Link) -> View:
    """The rows with the columns of a table that joins them, as far as its key is among them."""
    keys = view.strings(link.ours).unique()
    rows = _rows_of_keys(link, keys)
    if link.pivot is not None:
        name, value = link.pivot
        rows = rows.unique([link.theirs, name], keep="last", maintain_order=True)
        words = rows.get_column(name).drop_nulls().value_counts(sort=True).get_column(name).head(200)
        rows = rows.filter(pl.col(name).is_in(words.implode())).pivot(on=name, index=link.theirs, values=value)
    rows = rows.unique(link.theirs, keep="first", maintain_order=True).drop_nulls(link.theirs)
    stem = Path(link.group.files[0]).name.partition(".")[0]
    names = {
        column: f"{stem}.{column}" for column in rows.columns if column != link.theirs and column in view.sample.columns
    }
    key = "__key"
    ours = view.sample.with_columns(
        view.sample.select(text(link.ours, view.sample.schema[link.ours]).alias(key)).to_series()
    )
    theirs = rows.rename({**names, link.theirs: key})
    sample = ours.join(theirs, on=key, how="left", maintain_order="left").drop(key)
    return replace(view, sample=_with_fields(sample), links=(*view.links, link), inherited=view.profiles)


def _rows_of_keys(link: Link, keys: pl.Series) -> pl.DataFrame:
    frame = scan(link.group.files, link.group.path)
    schema = frame.collect_schema()
    key = text(link.theirs, schema[link.theirs])
    rows = frame.with_columns(key).filter(pl.col(link.theirs).is_in(keys.implode()))
    with read_errors(link.group.files, link.group.path):
        hits: pl.DataFrame = rows.head(20 * SAMPLE_ROWS).collect(engine="streaming")
    return hits.drop("source_file", *SOURCE_COLUMNS, strict=False)


def values_in(group: FileGroup, column: str, keys: pl.Series) -> int:
    """How many of the different texts `keys` stand in a column of all rows of a table."""
    ids = values_of(group, column)
    hits = ids.filter(pl.col("id").is_in(keys.implode())).select(pl.col("id").n_unique())
    with read_errors(group.files, group.path):
        return int(hits.collect(engine="streaming").item())


def values_of(group: FileGroup, column: str) -> pl.LazyFrame:
    """A column of all rows of a table as texts called `id`; `column` may be a field of an object."""
    frame = scan(group.files, group.path)
    reached = reach(column, own_columns(frame))
    if reached is None:
        return pl.LazyFrame(schema={"id": pl.String})
    return frame.select(reached.values.alias("id")).select(text("id", reached.dtype))


def _with_fields(sample: pl.DataFrame) -> pl.DataFrame:
    """The columns, and the fields of those that are objects."""
    fresh = list(sample.columns)
    for _ in range(_DEPTH):
        fields = {
            f"{column}.{name}": pl.col(column).struct.field(name)
            for column in fresh
            if isinstance(sample.schema[column], pl.Struct)
            for name in sample.get_column(column).struct.fields
        }
        fields = {name: field for name, field in fields.items() if name not in sample.columns}
        sample = sample.with_columns(field.alias(name) for name, field in fields.items())
        fresh = list(fields)
    return sample
