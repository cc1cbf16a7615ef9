"""The rows of a table of the data set: its files one after another, lists as rows, joined tables, and a filter."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from offline.dataset.joined_table import KEY, Reading, one_a_key, stem_of, with_keys
from offline.dataset.nested import column_of, reach
from offline.dataset.reading import ColumnRequest, missing_columns, own_columns, read_errors, select_roles, text
from offline.dataset.source_facts import JoinFacts, SourceFacts
from offline.dataset.source_spec import Join, SourceSpec
from offline.dataset.where import where_columns, with_where
from offline.errors import DatasetError, Mistake
from offline.tables.flaws import FLAW
from offline.tables.temporary import workplace

_LEFT: Final = "row_left_out"  # 0: it counts; _NO_RECORD, _NO_HIT: why it does not
_NO_RECORD, _NO_HIT = 1, 2
_FOUND: Final = "join_found"
_ALONE: Final = "join_alone_"
_HOLDS: Final = "row_holds"
_SHOWN_VALUES: Final = 5


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
        if not self.joined and not self.table.where and not self.table.unnest:
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
        rows, joins = self._unnested(self.rows), []
        where = self.table.where
        names = [request.column for request in requests] + where_columns(where)
        names += [name for joined in self.joined for name in joined.join.on]
        needed = {column_of(name, self.schema) for name in names}
        is_row = pl.col(FLAW).is_null() if FLAW in rows.collect_schema() else pl.lit(value=True)
        for number, joined in enumerate(self.joined):
            workplace().progress(0, 1, f"joining {stem_of(joined.files[0])}")
            columns = {new: own for new, own in joined.columns.items() if new in needed}
            keyed, facts = one_a_key(
                joined.rows,
                joined.join,
                columns,
                files=joined.files,
                location=joined.location,
                reading=self.reading,
            )
            joins.append(facts)
            rows = self._joining(rows, joined.join, keyed, f"{_ALONE}{number}", is_row)
        if where:
            rows = with_where(rows, where, _HOLDS, missing=self.reading.missing, decimal=self.reading.decimal)
            hit = pl.when(is_row & ~pl.col(_HOLDS) & (pl.col(_LEFT) == 0)).then(pl.lit(_NO_HIT, pl.Int8))
            rows = rows.with_columns(hit.otherwise(pl.col(_LEFT)).alias(_LEFT))
        own = [_LEFT, *(f"{_ALONE}{number}" for number in range(len(joins)))]
        made = select_roles(rows, self.schema, requests, own)
        path = workplace().new_path(".parquet")
        with read_errors(self.all_files, self.location):
            made.sink_parquet(path, compression="lz4", engine="streaming")
        frame = pl.scan_parquet(path)
        source_facts = self._facts(frame, joins)
        if where and source_facts.where:
            self._require_hits(frame, rows, is_row)
        return Rows(frame.filter(pl.col(_LEFT) == 0).drop(own), source_facts)

    def _unnested(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        """A row for each record of a list; rows without one are left out."""
        column = self.table.unnest
        if column is None:
            return rows.with_columns(pl.lit(0, pl.Int8).alias(_LEFT))
        schema = own_columns(rows)
        lists = reach(column, schema)
        assert lists is not None  # noqa: S101 - it was looked for when the table was opened
        is_row = pl.col(FLAW).is_null() if FLAW in rows.collect_schema() else pl.lit(value=True)
        filled = lists.values.list.len().fill_null(0) > 0
        return rows.with_columns(
            pl.when(filled).then(lists.values).alias(column),
            pl.when(is_row & ~filled).then(pl.lit(_NO_RECORD, pl.Int8)).otherwise(pl.lit(0, pl.Int8)).alias(_LEFT),
        ).explode(column)

    def _joining(
        self, rows: pl.LazyFrame, join: Join, keyed: pl.DataFrame, alone: str, is_row: pl.Expr
    ) -> pl.LazyFrame:
        """`rows` with the columns of `keyed`, and a column `alone` of the keys that found no row there."""
        keys = [f"{KEY}{number}" for number in range(len(join.on))]
        with read_errors(self.files, self.location):
            rows = with_keys(rows, list(join.on), self.reading.missing)
        right = keyed.lazy().with_columns(pl.lit(value=True).alias(_FOUND))
        rows = rows.join(right, on=keys, how="left", maintain_order="left")
        key = pl.concat_str(*keys, separator=", ").fill_null("")
        is_alone = is_row & pl.col(_FOUND).is_null() & (pl.col(_LEFT) != _NO_RECORD)
        return rows.with_columns(pl.when(is_alone).then(key).alias(alone)).drop(*keys, _FOUND)

    def _facts(self, made: pl.LazyFrame, joins: Sequence[JoinFacts]) -> SourceFacts:
        sums = {
            "rows": (pl.col(_LEFT) != _NO_RECORD).sum(),
            "unnest": (pl.col(_LEFT) == _NO_RECORD).sum(),
            "where": (pl.col(_LEFT) == _NO_HIT).sum(),
        }
        for number in range(len(joins)):
            key = pl.col(f"{_ALONE}{number}")
            sums[f"without_{number}"] = (key == "").sum()
            sums[f"alone_{number}"] = (key != "").sum()
            sums[f"key_{number}"] = key.filter(key != "").first()
        sums_of_rows = made.select(**sums).collect(engine="streaming").row(0, named=True)
        met = []
        for number, join in enumerate(joins):
            facts = join.met(
                int(sums_of_rows["rows"]),
                int(sums_of_rows[f"alone_{number}"]),
                str(sums_of_rows[f"key_{number}"] or ""),
                int(sums_of_rows[f"without_{number}"]),
            )
            if facts.alone and facts.alone + facts.without_key == facts.rows:
                got = f"none for {facts.alone_key!r}, nor for any other row; its keys are such as {facts.some_key}"
                expected = f"rows of {facts.stem} with the {facts.on} of [{self.name}]"
                advice = "correct 'on', or leave the table out"
                raise DatasetError(Mistake(facts.location, expected, got if facts.keys else "none at all", advice))
            met.append(facts)
        return SourceFacts(where=int(sums_of_rows["where"]), unnest=int(sums_of_rows["unnest"]), joins=tuple(met))

    def _require_hits(self, made: pl.LazyFrame, rows: pl.LazyFrame, is_row: pl.Expr) -> None:
        """Refuse a filter that leaves nothing; the values of its columns show why."""
        if made.select(((pl.col(_LEFT) == 0) & is_row).any()).collect(engine="streaming").item():
            return
        where = self.table.where or ""
        shown = []
        for column in where_columns(where):
            reached = reach(column, self.schema)
            assert reached is not None  # noqa: S101 - it was looked for when the table was opened
            values = rows.select(value=reached.values).select(text("value", reached.dtype, self.reading.missing))
            some = values.drop_nulls().unique(maintain_order=True).head(_SHOWN_VALUES).collect().to_series().to_list()
            shown.append(f"{column} is {', '.join(map(repr, some)) or 'always missing'}")
        expected = f"rows of which {where} holds"
        raise DatasetError(Mistake(self.where_location, expected, f"none: {'; '.join(shown)}", "correct the condition"))
