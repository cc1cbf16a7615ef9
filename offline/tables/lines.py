"""Line numbers of the rows of files, as an editor shows them; a row may span several lines."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl

from offline.tables.flaws import LINE, ROW, TableError
from offline.tables.formats import Kind, ending_of, format_of
from offline.tables.tables import table_of

_FURTHEST_ROW = 5_000_000
"""The last row whose line is looked up where a file has to be read up to it."""


def line_numbers(file: str, rows: Iterable[int]) -> dict[int, int]:
    """The line, from 1, on which each of `rows`, from 1, begins; nothing for Parquet, URLs, and rows far down."""
    numbers = set(rows)
    if not numbers or "://" in file:
        return {}
    try:
        table = table_of(file)
    except TableError:
        return {}
    if table.offset is not None:
        return {row: row + table.offset for row in numbers}
    if LINE in table.frame.collect_schema():
        places = table.frame.select(ROW, LINE).filter(pl.col(ROW).is_in(sorted(numbers))).collect(engine="streaming")
        return dict(places.iter_rows())
    return {} if table.path is None else _lines(_starts(table.path, table.begin), numbers)


def _starts(path: Path, begin: int) -> Iterator[int]:
    form = format_of(ending_of(path.name) or "")
    if form is None or form.kind is Kind.PARQUET:
        return iter(())
    return _csv_starts(path, begin) if form.kind is Kind.DELIMITED else _json_starts(path)


def _lines(starts: Iterator[int], numbers: set[int]) -> dict[int, int]:
    last = min(max(numbers), _FURTHEST_ROW)
    lines: dict[int, int] = {}
    for row, line in enumerate(starts, start=1):
        if row > last:
            break
        if row in numbers:
            lines[row] = line
    return lines


def _csv_starts(path: Path, begin: int) -> Iterator[int]:
    """The line on which each row begins after `begin` lines, in a file whose quotes are as they should be."""
    with path.open(encoding="utf-8", errors="replace", newline="\n") as stream:
        is_open = False
        for number, line in enumerate(stream, start=1):
            if number <= begin:
                continue
            if not is_open:
                yield number
            is_open ^= line.count('"') % 2 == 1


def _json_starts(path: Path) -> Iterator[int]:
    with path.open(encoding="utf-8", errors="replace") as stream:
        yield from (number for number, line in enumerate(stream, start=1) if line.strip())
