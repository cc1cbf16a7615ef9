"""The rows of a table of the data set: its files one after another, lists as rows, joined tables, and a filter."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from offline.dataset.joined_table import KEY, Reading, example, one_a_key, stem_of, with_keys
from offline.dataset.nested import column_of, reach
from offline.dataset.reading import (
    FILE,
    ROW,
    ColumnRequest,
    missing_columns,
    own_columns,
    read_errors,
    select_roles,
    text,
)
from offline.dataset.source_facts import JoinFacts, SourceFacts
from offline.dataset.source_spec import Join, SourceSpec
from offline.dataset.where import compared_texts, where_columns, with_hits, with_where
from offline.errors import DatasetError, Mistake
from offline.tables.flaws import FLAW
from offline.tables.temporary import workplace

_LEFT: Final = "row_left_out"  # 0: it counts; _NO_RECORD, _NO_HIT: why it does not
_NO_RECORD, _NO_HIT = 1, 2
_FOUND: Final = "join_found"
_ALONE: Final = "join_alone_"
_HOLDS: Final = "row_holds"
_HIT: Final = "row_has_text_"
_SHOWN_VALUES: Final = 5
_SAMPLE: Final = 10_000
_FEWEST_KEYS: Final = 20
"""A table that has none of so many keys is the wrong one, or joins by the wrong column."""


@dataclass(frozen=True)
class Joined:
    """A table that joins; `columns` are new names -> its own names, or properties of a long one."""

    join: Join
    location: str
    files: tuple[str, ...]
    rows: pl.LazyFrame  # with their flaws
    columns: Mapping[str, str]


@dataclass(frozen=True)
class Rows:
    """The columns of a table by role, with `source_file`, `source_row` and flaws, lazily; and what is told of them."""

    frame: pl.LazyFrame
    facts: SourceFacts


@dataclass(frozen=True)
class Source:
    """A table of the data set, opened: its files are there, and so is all that its joins and its filter name.

    `files` are those whose rows it has: `source_file` counts them, `source_row` is a row of one. `schema` has all
    columns, those of the tables that join it too, by the names that the data set may use.
    """

    name: str
    table: SourceSpec
    location: str
    files: tuple[str, ...]
    schema: Mapping[str, pl.DataType]
    reading: Reading
    rows: pl.LazyFrame
    joined: tuple[Joined, ...] = ()
    where_location: str = ""
    long: Joined | None = None  # whose keys are the rows

    @property
    def all_files(self) -> tuple[str, ...]:
        """Its files, and those of the tables that join it."""
        return (*self.files, *(file for joined in self.joined for file in joined.files))

    def has(self, column: str) -> bool:
        """Whether there is a column of that name, or something inside one."""
        return reach(column, self.schema) is not None

    def missing(self, requests: Sequence[ColumnRequest]) -> list[Mistake]:
        """A mistake for each required column that it does not have."""
        return missing_columns(self.schema, self.all_files, requests)

    def scan(self, requests: Sequence[ColumnRequest]) -> Rows:
        """The requested columns under their roles; rows that cannot be read are among them, with their flaws.

        A column that is not there is left out, unless it is required. What is joined, unnested or filtered is kept as
        a file in the temporary folder.

        Raises:
            DatasetError: a required column is missing, a file cannot be read, or no row joins or counts.
        """
        if missing := self.missing(requests):
            raise DatasetError(*missing)
        if not (self.joined or self.long or self.table.where or self.table.unnest):
            return Rows(select_roles(self.rows, self.schema, requests), SourceFacts())
        return self._made(requests)

    def read(self, requests: Sequence[ColumnRequest]) -> tuple[pl.DataFrame, SourceFacts]:
        """As `scan`, in memory.

        Raises:
            DatasetError: as `scan`, and where a file breaks off or changes its form further down.
        """
        rows = self.scan(requests)
        with read_errors(self.files, self.location):
            return rows.frame.collect(), rows.facts

    def _made(self, requests: Sequence[ColumnRequest]) -> Rows:
        where, missing, joins = self.table.where, self.reading.missing, []
        names = [request.column for request in requests] + where_columns(where)
        names += [name for joined in self.joined for name in joined.join.on]
        needed = {column_of(name, self.schema) for name in names}
        rows = self.rows
        if self.long is not None:
            keyed, facts = self._one_a_key(self.long, needed)
            keys = {f"{KEY}{number}": name for number, name in enumerate(self.long.join.on)}
            rows = keyed.lazy().rename(keys)
            joins.append(facts)
        is_row = pl.col(FLAW).is_null() if FLAW in rows.collect_schema() else pl.lit(value=True)
        rows = self._unnested(rows, is_row)
        for joined in self.joined:
            keyed, facts = self._one_a_key(joined, needed)
            rows = self._joining(rows, joined.join, keyed, f"{_ALONE}{len(joins)}", is_row)
            joins.append(facts)
        if where:
            rows = with_hits(rows, where, _HIT, missing)
            product = getattr(self.table, "variant_of", None)
            decimal = self.reading.decimal
            own_id = getattr(self.table, "id", None)
            rows = with_where(rows, where, _HOLDS, missing=missing, decimal=decimal, product=product, own=own_id)
            is_left = is_row & ~pl.col(_HOLDS) & (pl.col(_LEFT) == 0)
            left = pl.when(is_left).then(pl.lit(_NO_HIT, pl.Int8)).otherwise(pl.col(_LEFT))
            rows = rows.with_columns(left.alias(_LEFT))
        texts = compared_texts(where)
        own = [_LEFT, *(f"{_ALONE}{number}" for number in range(len(joins)))]
        own += [f"{_HIT}{number}" for number in range(len(texts))]
        path = workplace().new_path(".parquet")
        with read_errors(self.all_files, self.location):
            made = select_roles(rows, self.schema, requests, own)
            made.sink_parquet(path, compression="lz4", engine="streaming")
        frame = pl.scan_parquet(path)
        own = [name for name in own if name in frame.collect_schema()]
        source_facts = self._facts(frame, rows, joins)
        if source_facts.where and not frame.select(((pl.col(_LEFT) == 0) & is_row).any()).collect().item():
            shown = [f"{column} is {self._some_values(rows, column) or 'missing'}" for column in where_columns(where)]
            got = f"none: {'; '.join(shown)}"
            raise DatasetError(
                Mistake(self.where_location, f"rows of which {where} holds", got, "correct the condition")
            )
        return Rows(frame.filter(pl.col(_LEFT) == 0).drop(own), source_facts)

    def _one_a_key(self, joined: Joined, needed: set[str]) -> tuple[pl.DataFrame, JoinFacts]:
        workplace().progress(0, 1, f"joining {stem_of(joined.files[0])}")
        columns = {new: own for new, own in joined.columns.items() if new in needed}
        return one_a_key(
            joined.rows, joined.join, columns, files=joined.files, location=joined.location, reading=self.reading
        )

    def _unnested(self, rows: pl.LazyFrame, is_row: pl.Expr) -> pl.LazyFrame:
        """A row for each record of a list; rows without one are left out."""
        column = self.table.unnest
        lists = reach(column, own_columns(rows)) if column else None
        if column is None or lists is None:
            return rows.with_columns(pl.lit(0, pl.Int8).alias(_LEFT))
        filled = lists.values.list.len().fill_null(0) > 0
        left = pl.when(is_row & ~filled).then(pl.lit(_NO_RECORD, pl.Int8)).otherwise(pl.lit(0, pl.Int8))
        return rows.with_columns(pl.when(filled).then(lists.values).alias(column), left.alias(_LEFT)).explode(column)

    def _joining(
        self, rows: pl.LazyFrame, join: Join, keyed: pl.DataFrame, alone: str, is_row: pl.Expr
    ) -> pl.LazyFrame:
        """`rows` with the columns of `keyed`, and a column `alone` of the keys that found no row there."""
        keys = [f"{KEY}{number}" for number in range(len(join.on))]
        with read_errors(self.files, self.location):
            rows = with_keys(rows, list(join.on), self.reading.missing)
        right = keyed.lazy().drop(FILE, ROW).with_columns(pl.lit(value=True).alias(_FOUND))
        rows = rows.join(right, on=keys, how="left", maintain_order="left")
        key = pl.concat_str(*keys, separator=", ").fill_null("")
        is_alone = is_row & pl.col(_FOUND).is_null() & (pl.col(_LEFT) != _NO_RECORD)
        return rows.with_columns(pl.when(is_alone).then(key).alias(alone)).drop(*keys, _FOUND)

    def _facts(self, made: pl.LazyFrame, rows: pl.LazyFrame, joins: Sequence[JoinFacts]) -> SourceFacts:
        texts = compared_texts(self.table.where)
        is_row = pl.col(FLAW).is_null() if FLAW in made.collect_schema() else pl.lit(value=True)
        sums = {
            "rows": (is_row & (pl.col(_LEFT) != _NO_RECORD)).sum(),
            "unnest": (pl.col(_LEFT) == _NO_RECORD).sum(),
            "where": (pl.col(_LEFT) == _NO_HIT).sum(),
            **{f"hit_{number}": pl.col(f"{_HIT}{number}").any() for number in range(len(texts))},
        }
        first = int(self.long is not None)
        for number in range(first, len(joins)):
            key = pl.col(f"{_ALONE}{number}")
            sums[f"without_{number}"] = (key == "").sum()
            sums[f"alone_{number}"] = (key != "").sum()
            sums[f"key_{number}"] = key.filter(key != "").first()
        seen = made.select(**sums).collect(engine="streaming").row(0, named=True)
        met = list(joins[:first])
        for number, join in enumerate(joins[first:], start=first):
            alone, without = int(seen[f"alone_{number}"]), int(seen[f"without_{number}"])
            met.append(join.met(int(seen["rows"]), alone, example(seen[f"key_{number}"] or ""), without))
            if alone and alone + without == int(seen["rows"]):
                self._refuse_strangers(made, met[-1], self.joined[number - first], f"{_ALONE}{number}")
        unmet = [pair for number, pair in enumerate(texts) if not seen[f"hit_{number}"]]
        return SourceFacts(
            where=int(seen["where"]),
            unnest=int(seen["unnest"]),
            joins=tuple(met),
            unmet=tuple((column, value, self._some_values(rows, column)) for column, value in unmet),
        )

    def _refuse_strangers(self, made: pl.LazyFrame, facts: JoinFacts, joined: Joined, alone: str) -> None:
        """Refuse a table that none of many keys is in."""
        keys = made.select(pl.col(alone).filter(pl.col(alone) != "").n_unique()).collect(engine="streaming").item()
        if keys < _FEWEST_KEYS:
            return
        theirs = f"its keys are such as {facts.some_key}" if facts.keys else "it has none"
        expected = f"rows of {facts.table} with the {facts.on} of [{self.name}]"
        got = f"none for {facts.key_without_partner!r}, nor for any other of {keys:,}; {theirs}"
        raise DatasetError(Mistake(joined.location, expected, got, "correct 'on', or leave the table out"))

    def _some_values(self, rows: pl.LazyFrame, column: str) -> str:
        """Some values of a column of `rows`, for messages."""
        reached = reach(column, self.schema)
        assert reached is not None  # noqa: S101 - it was looked for when the table was opened
        values = rows.select(value=reached.values).select(text("value", reached.dtype, self.reading.missing))
        some = values.drop_nulls().head(_SAMPLE).unique(maintain_order=True).head(_SHOWN_VALUES).collect().to_series()
        return example(", ".join(map(repr, some.to_list())))
