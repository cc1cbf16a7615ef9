"""Where the rows of a table come from: files, tables joined to them, lists that become rows, and which rows count."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator

from offline.dataset.conditions import ConditionError, parse_condition
from offline.dataset.spec_types import Column, Paths, SomeColumns, SpecTable, refusal


def _condition(text: str) -> str:
    try:
        parse_condition(text)
    except ConditionError as error:
        raise refusal(error.expected, error.got, error.advice) from None
    return text


def _keys(value: object) -> object:
    """A name, or a list of them, as the pairs that it stands for."""
    if isinstance(value, str):
        return {value: value}
    if isinstance(value, list | tuple) and all(isinstance(name, str) for name in value):
        return {name: name for name in value}
    return value


Where = Annotated[str, AfterValidator(_condition)]
Keys = Annotated[Mapping[Column, Column], Field(min_length=1), BeforeValidator(_keys)]


class Join(SpecTable):
    """A table whose columns join the rows that have its key: one row of it at most for each.

    `on` maps columns of the rows to those of the table. `pivot` names two columns of a long table, a property and its
    value: each property becomes a column. Of several rows of a key, or of several values of a property, the one with
    the largest `newest` counts, else the first. `columns`: those that join; None: all.
    """

    path: Paths
    on: Keys
    columns: SomeColumns | None = None
    where: Where | None = None
    pivot: tuple[Column, Column] | None = None
    newest: Column | None = None


def _kind(value: Any) -> str:
    return "join" if isinstance(value, Mapping | Join) else "name"


def _entries(value: object) -> object:
    return (value,) if isinstance(value, str | Mapping) else value


_Entry = Annotated[Annotated[Column, Tag("name")] | Annotated[Join, Tag("join")], Discriminator(_kind)]
_Entries = Annotated[tuple[_Entry, ...], Field(min_length=1), BeforeValidator(_entries)]


class SourceSpec(SpecTable):
    """What `[events]`, `[items]` and `[users]` have in common: their rows."""

    path: _Entries
    where: Where | None = None
    unnest: Column | None = None  # a column of lists of records, which become a row each

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the files whose rows, one after another, are the table's; of a long table those of its own."""
        return self.long.path if self.long else tuple(entry for entry in self.path if isinstance(entry, str))

    @property
    def long(self) -> Join | None:
        """The long table whose keys are the rows, where no file has these; its columns are its properties."""
        first = self.path[0]
        rows = any(isinstance(entry, str) for entry in self.path)
        return first if isinstance(first, Join) and first.pivot and not rows else None

    @property
    def joins(self) -> tuple[Join, ...]:
        """The tables that join these rows, in order."""
        return tuple(entry for entry in self.path if isinstance(entry, Join) and entry is not self.long)

    @property
    def all_names(self) -> tuple[str, ...]:
        """The names of all files: those of the rows, and those of the tables that join them."""
        return (*self.names, *(name for join in self.joins for name in join.path))

    @model_validator(mode="after")
    def _has_rows(self) -> Self:
        if not self.names:
            advice = 'write path = ["lines.csv", {path = "orders.csv", on = "order_id"}]'
            expected = "a file whose rows the tables join, as a text, or a long table with pivot first"
            raise refusal(expected, "tables to be joined alone", advice, key="path")
        return self
