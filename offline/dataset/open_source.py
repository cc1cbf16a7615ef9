"""The rows of a table of the data set, opened: all files are there, and all columns by which they are put together."""

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from offline.dataset.joined_table import Reading, properties_of, public_names, stem_of
from offline.dataset.json_cells import with_records
from offline.dataset.nested import element_type, reach
from offline.dataset.reading import find_files, own_columns, read_errors, scan, unknown_column
from offline.dataset.source import Joined, Source
from offline.dataset.source_spec import Join
from offline.dataset.spec import DatasetSpec, EventsSpec, ItemsSpec, UsersSpec, missing_words, path_location
from offline.dataset.where import where_columns
from offline.errors import DatasetError, Mistake
from offline.tables.sources import container_of
from offline.tables.temporary import state_of, workplace


def open_source(spec: DatasetSpec, name: str) -> Source:
    """The rows of `[name]`, which the data set has. Opened once for as long as its files stay as they are.

    Raises:
        DatasetError: a file is missing or cannot be read, or has no column that a join, `unnest`, `where` or
            `separators` names.
    """
    table: EventsSpec | ItemsSpec | UsersSpec = getattr(spec, name)
    files = tuple(
        file for path in table.names for file in find_files(spec.root, (path,), path_location(spec, name, path))
    )
    joined_files = [
        tuple(file for path in join.path for file in find_files(spec.root, (path,), path_location(spec, name, path)))
        for join in table.joins
    ]
    local = {container_of(file)[0] for some in (files, *joined_files) for file in some if "://" not in file}
    states = [part for file in sorted(local) for part in state_of(file)]
    key = ("source", name, str(spec.toml.path), spec.toml.text, *states)
    known = workplace().known
    if key not in known:
        known[key] = _opened(spec, name, table, files, joined_files)
    source: Source = known[key]
    return source


def _opened(
    spec: DatasetSpec,
    name: str,
    table: EventsSpec | ItemsSpec | UsersSpec,
    files: tuple[str, ...],
    joined_files: list[tuple[str, ...]],
) -> Source:
    location = spec.toml.location(name, "path")
    reading = Reading(missing_words(table), getattr(table, "day_first", None), getattr(table, "decimal", None))
    rows = scan(files, location, with_flaws=True)
    with read_errors(files, location):
        rows = with_records(rows, [*_texts(table.model_dump()), *where_columns(table.where)], table.unnest)
    schema = own_columns(rows)
    mistakes: list[Mistake] = []
    long = None
    if table.long:
        schema = dict.fromkeys(table.long.on, pl.String())
        long, types, mistakes = _join(table.long, files, location, schema, files, reading)
        schema |= types
    if table.unnest:
        mistakes += _unnest(table.unnest, schema, files, spec.toml.location(name, "unnest"))
    joined = []
    all_files = list(files)
    for join, own_files in zip(table.joins, joined_files, strict=True):
        place = path_location(spec, name, join.path[0])
        opened, types, wrong = _join(join, own_files, place, schema, tuple(all_files), reading)
        mistakes += wrong
        if opened is not None:
            joined.append(opened)
            schema |= types
        all_files += own_files
    where_location = spec.toml.location(name, "where")
    if not mistakes:
        mistakes += [
            unknown_column(
                column, schema, all_files, where_location, advice="write one of them, in backquotes if need be"
            )
            for column in where_columns(table.where)
            if reach(column, schema) is None
        ]
        mistakes += [
            unknown_column(
                column, schema, all_files, spec.toml.location(name, "separators", column), advice="name one of them"
            )
            for column in table.separators
            if reach(column, schema) is None
        ]
    if mistakes:
        raise DatasetError(*mistakes)
    return Source(name, table, location, files, schema, reading, rows, tuple(joined), where_location, long)


def _texts(value: object) -> Iterator[str]:
    """All texts in a value of the data set, names of columns among them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (text for pair in value.items() for part in pair for text in _texts(part))
    elif isinstance(value, list | tuple):
        yield from (text for part in value for text in _texts(part))


def _unnest(column: str, schema: dict[str, pl.DataType], files: tuple[str, ...], location: str) -> list[Mistake]:
    """Give `schema` the record of a list in place of the list."""
    lists = reach(column, schema)
    if lists is None:
        return [unknown_column(column, schema, files, location, advice="name a column of lists")]
    element = element_type(lists.dtype)
    if element is None:
        got = "records" if isinstance(lists.dtype, pl.Struct) else f"one value a row ({lists.dtype})"
        return [
            Mistake(location, f"lists in the column {column!r}", got, "name a column of lists, or leave unnest out")
        ]
    schema[column] = element
    return []


def _join(
    join: Join,
    files: tuple[str, ...],
    location: str,
    schema: Mapping[str, pl.DataType],
    ours: tuple[str, ...],
    reading: Reading,
) -> tuple[Joined | None, dict[str, pl.DataType], list[Mistake]]:
    """A table that joins rows of that schema, and the columns that it gives them, with their types."""
    rows = scan(files, location, with_flaws=True)
    own = own_columns(rows)
    needed: list[tuple[str, Mapping[str, pl.DataType], tuple[str, ...], str]] = []
    for our, their in join.on.items():
        needed += [(our, schema, ours, 'on = {ours = "theirs"} joins by columns of other names')]
        needed += [(their, own, files, 'on = {ours = "theirs"} joins by columns of other names')]
    needed += [(name, own, files, "name a property's column and its value's") for name in join.pivot or ()]
    needed += [(name, own, files, "name a column of times or numbers") for name in (join.newest,) if name]
    needed += [(name, own, files, "write one of them") for name in where_columns(join.where)]
    wrong = [
        unknown_column(name, types, where, location, advice=advice)
        for name, types, where, advice in needed
        if reach(name, types) is None
    ]
    if wrong:
        return None, {}, wrong
    types: dict[str, pl.DataType] = dict(own)
    if join.pivot:
        value: Any = reach(join.pivot[1], own)
        names = properties_of(rows, join, files=files, location=location, reading=reading)
        types = dict.fromkeys(names, value.dtype)
    wrong = [
        unknown_column(name, types, files, location, advice="name columns that it has")
        for name in join.columns or ()
        if name not in types
    ]
    same = {our for our, their in join.on.items() if our == their}
    names = [name for name in (join.columns or types) if join.pivot or name not in same]
    columns = public_names(list(schema), [name for name in names if name in types], stem_of(files[0]))
    return Joined(join, location, files, rows, columns), {new: types[old] for new, old in columns.items()}, wrong
