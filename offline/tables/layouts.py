"""How a text table is laid out, told from its first lines: the separator, and whether names stand above the values."""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from offline.tables.encodings import encoding_name

SEPARATORS = (",", ";", "\t", "|", "::")
_PREFERRED = {".tsv": "\t", ".dat": "::"}
_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars (|)", "::": "double colons (::)"}
_LOOK_AT = 500  # rows
_SEP_LINE = re.compile(r'^"?sep=(.)"?$', re.IGNORECASE)
_NUMBER = re.compile(r"^[-+]?[$€£]?\d[\d.,]*(?:[eE][-+]?\d+)?%?$")
_TIME = re.compile(r"^\d{4}-\d\d-\d\d|^\d{1,2}[./]\d{1,2}[./]\d{2,4}")
_ADDRESS = re.compile(r"^https?://|^[^@\s]+@[^@\s]+\.\w+$")
_NAME_WORD = re.compile(
    r"(?:^|[_\W])(?:id|ids|name|title|price|date|time|timestamp|type|sku|email|user|item|product|order|customer|category"
    r"|brand|qty|quantity|event|rating|handle|url|tags|status|description|session|code|no)$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Layout:
    """How a text table is laid out. `names` are unique and not blank; `begin` lines stand before the first row."""

    encoding: str
    separator: str
    line_end: str  # "\n", also for "\r\n", or "\r"
    header: bool
    names: tuple[str, ...]
    needed: int  # cells that a row has at least: those of names that were there
    begin: int
    escape: bool  # whether \" stands for a quote
    ordinary: bool  # whether the names are those of the first line as they stand there

    def remarks(self, ending: str) -> list[str]:
        """What is not the ordinary: UTF-8, a separator as the ending promises, lines of one form, names above."""
        remarks = []
        usual = "\t" if ending.startswith(".tsv") else ","
        if self.separator != usual and len(self.names) > 1:
            remarks.append(f"separated by {_NAMES.get(self.separator, repr(self.separator))}")
        if encoding_name(self.encoding) != "UTF-8":
            remarks.append(f"encoded in {encoding_name(self.encoding)}")
        if self.line_end == "\r":
            remarks.append("lines end by CR alone")
        if not self.header:
            remarks.append(f"without a header: its columns are called column_1 to column_{len(self.names)}")
        return remarks


def layout_of(text: str, encoding: str, ending: str) -> Layout:
    """The layout of a table whose first lines are `text`; `ending` of its name decides between equals."""
    bare = re.sub(r'"[^"]*"', "", text)
    line_end = "\r" if bare.count("\r") - bare.count("\r\n") > bare.count("\n") else "\n"
    lines = [line.rstrip("\r") for line in text.split(line_end)]
    begin, separator = 0, None
    while begin < len(lines) and not lines[begin].strip():
        begin += 1
    if begin < len(lines) and (given := _SEP_LINE.match(lines[begin].strip(" \ufeff"))):
        separator = given[1]
        begin += 1
    separator = separator or separator_of(lines[begin:], ending)
    while begin + 1 < len(lines) and (
        not lines[begin].strip() or (lines[begin].startswith("#") and separator not in lines[begin])
    ):
        begin += 1
    escape = re.search(r'[^\\]\\"(?!\s*(?:' + re.escape(separator) + r"|[\r\n]|$))", text) is not None
    rows = sample_rows(lines[begin:], separator, escape=escape)
    header, names, ordinary, needed = names_of(rows)
    first = _lines_of_first(lines[begin:], separator) if header else 0
    return Layout(
        encoding=encoding,
        separator=separator,
        line_end=line_end,
        header=header,
        names=names,
        needed=needed,
        begin=begin + first,
        escape=escape,
        ordinary=ordinary and header and begin == 0 and first == 1,
    )


def separator_of(lines: Sequence[str], ending: str) -> str:
    """The separator by which most rows have as many cells as the first; a comma where none has two."""
    preferred = next((mark for name, mark in _PREFERRED.items() if ending.startswith(name)), ",")
    best, best_score = ",", (0.0, 0, 0)
    for separator in sorted(SEPARATORS, key=lambda mark: mark != preferred):
        score = max(_score(sample_rows(lines, separator, escape=False)), _score(_split_rows(lines, separator)))
        rank = (round(score[0], 1), int(separator == preferred and score[0] > 0.5), score[1])
        if rank > best_score and score[1] > 1:
            best, best_score = separator, rank
    return best


def names_of(rows: Sequence[Sequence[str]]) -> tuple[bool, tuple[str, ...], bool, int]:
    """Whether the first of `rows` is a header, the names of the columns, whether they are as they stand, cells needed.

    Blank and repeated names are made up; a column of row numbers that the header leaves out is the first.
    """
    if not rows:
        return False, (), False, 0
    first, rest = [cell.strip() for cell in rows[0]], rows[1:]
    if not _is_header(first, rest):
        width = Counter(map(len, rows)).most_common(1)[0][0]
        return False, tuple(f"column_{number}" for number in range(1, width + 1)), False, width
    if _has_row_numbers(first, rest):
        first = ["", *first]
    names: list[str] = []
    for number, name in enumerate(first, start=1):
        new = name or f"column_{number}"
        names.append(new if new not in names and new not in first[: number - 1] else _unique(new, [*first, *names]))
    blank = next((number for number, name in enumerate(reversed(first)) if name), len(first))
    return True, tuple(names), list(rows[0]) == names, len(first) - blank


def sample_rows(lines: Sequence[str], separator: str, *, escape: bool) -> list[list[str]]:
    """The first rows of `lines` that are not blank, as cells; quotes are taken as they come."""
    mark = separator if len(separator) == 1 else "\x1f"
    given = lines if len(separator) == 1 else [line.replace(separator, mark) for line in lines]
    rows: list[list[str]] = []
    reader = csv.reader(
        (f"{line}\n" for line in given), delimiter=mark, escapechar="\\" if escape else None, skipinitialspace=True
    )
    try:
        for row in reader:
            if any(cell.strip("\0 ") for cell in row):
                rows.append(row)
            if len(rows) >= _LOOK_AT:
                break
    except csv.Error:
        pass
    return rows


def _split_rows(lines: Sequence[str], separator: str) -> list[list[str]]:
    """As `sample_rows`, where quotes are no more than letters."""
    return [re.sub(r'"[^"]*"', "", line).split(separator) for line in lines[:_LOOK_AT] if line.strip()]


def _score(rows: Sequence[Sequence[str]]) -> tuple[float, int]:
    """The share of rows with as many cells as the first, and how many these are."""
    if not rows or len(rows[0]) < 2:
        return 0.0, 0
    width = len(rows[0])
    widths = Counter(len(row) for row in rows[1:])
    others = max(1, len(rows) - 1)
    fitting = widths[width] + sum(
        len(row) > width and not any(cell.strip() for cell in row[width:]) for row in rows[1:]
    )
    share = max(fitting / others, 0.9 * widths[width + 1] / others, float(len(rows) == 1))
    return share, width


def _is_header(first: Sequence[str], rest: Sequence[Sequence[str]]) -> bool:
    """Whether names stand in the first row: not where values do, of the kind of those below or that come again."""
    if any(_NAME_WORD.search(cell) for cell in first):
        return True
    columns = [[row[number].strip() for row in rest if number < len(row)] for number in range(len(first))]
    valued = again = 0
    for cell, column in zip(first, columns, strict=True):
        there = [value for value in column if value]
        below = sum(map(_is_value, there)) > 0.8 * len(there) if there else False
        if cell and below and not _is_value(cell):
            return True
        valued += _is_value(cell) and (below or not there)
        again += bool(cell) and cell in there
    named = sum(map(bool, first))
    return not (valued or (named > 1 and again >= 0.5 * named and again > 1))


def _is_value(cell: str) -> bool:
    return any(form.search(cell) for form in (_NUMBER, _TIME, _ADDRESS))


def _has_row_numbers(first: Sequence[str], rest: Sequence[Sequence[str]]) -> bool:
    longer = [row for row in rest if len(row) == len(first) + 1]
    if len(rest) < 2 or len(longer) < 0.9 * len(rest):
        return False
    return all(row[0].strip().isdigit() for row in longer) and len({row[0] for row in longer}) == len(longer)


def _unique(name: str, names: Sequence[str]) -> str:
    number = 2
    while f"{name}_{number}" in names:
        number += 1
    return f"{name}_{number}"


def _lines_of_first(lines: Sequence[str], separator: str) -> int:
    """How many lines the first row that is not blank takes, with blank ones before it."""
    reader = csv.reader((f"{line}\n" for line in lines), delimiter=separator[0])
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                return reader.line_num
    except csv.Error:
        pass
    return 1
