"""Line numbers of the rows of text files, as an editor shows them; a row may span several lines."""

import csv
import gzip
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

_FURTHEST_ROW = 5_000_000
"""The last row whose line is looked up: a file has to be read up to it."""


def line_numbers(file: str, rows: Iterable[int]) -> dict[int, int]:
    """The line, from 1, on which each of `rows`, from 1, begins; nothing for Parquet, URLs, and rows far down."""
    numbers = {row for row in rows if row <= _FURTHEST_ROW}
    if not numbers or not Path(file).is_file() or file.lower().endswith(".parquet"):
        return {}
    last = max(numbers)
    lines: dict[int, int] = {}
    starts = _json_starts(file) if file.lower().endswith(".jsonl") else _csv_starts(file)
    for row, line in enumerate(starts, start=1):
        if row in numbers:
            lines[row] = line
        if row >= last:
            break
    return lines


def _csv_starts(file: str) -> Iterator[int]:
    """The line on which each row after the header begins; a blank line is a row without values."""
    with _text(file) as stream:
        reader = csv.reader(stream)
        begin = 1
        for number, _ in enumerate(reader):
            if number:
                yield begin
            begin = reader.line_num + 1


def _text(file: str) -> TextIO:
    if file.lower().endswith(".gz"):
        return gzip.open(file, "rt", encoding="utf-8", errors="replace", newline="")
    return Path(file).open(encoding="utf-8", errors="replace", newline="")


def _json_starts(file: str) -> Iterator[int]:
    with Path(file).open(encoding="utf-8", errors="replace") as stream:
        yield from (number for number, line in enumerate(stream, start=1) if line.strip())
