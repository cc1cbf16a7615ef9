"""Rows of delimited text of any kind, one after another: mended where that is surely right, else set aside."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from offline.tables.flaws import BadRow, Flaw
from offline.tables.layouts import Layout

_LONGEST_LINE = 1 << 24
_MOST_LINES = 2_000
_MOST_CHARS = 1 << 20
_DAMAGED = re.compile("[\udc80-\udcff]")
_UNIT = "\x1f"  # stands for a separator of two letters

TextRow = tuple[int, list[str] | BadRow]
"""The line, from 1, on which a row begins, and its cells."""


def text_rows(path: Path, layout: Layout) -> Iterator[TextRow]:
    """The rows of `path`; blank lines and headers that come again are left out."""
    csv.field_size_limit(_LONGEST_LINE)
    errors = "replace" if layout.encoding.startswith(("utf-16", "utf-32")) else "surrogateescape"
    with path.open(encoding=layout.encoding, errors=errors, newline=layout.line_end) as stream:
        yield from _Reader(stream, layout).rows()


class _Reader:
    def __init__(self, stream: TextIO, layout: Layout) -> None:
        self._stream = stream
        self._layout = layout
        self._end = layout.line_end
        self._separator = layout.separator if len(layout.separator) == 1 else _UNIT
        self._read = 0
        self._ahead: list[str] = []  # lines read too far, the next one last

    def rows(self) -> Iterator[TextRow]:
        for _ in range(self._layout.begin):
            self._next_line()
        header = list(self._layout.names)
        while (line := self._next_line()) is not None:
            number = self._read
            if not line.strip("\0 \t\r\n\ufeff") and self._layout.separator not in line:
                continue
            row = self._row(line)
            if isinstance(row, list) and self._layout.header and row == header:
                continue
            yield number, row

    def _next_line(self) -> str | None:
        if self._ahead:
            self._read += 1
            return self._ahead.pop()
        line = self._stream.readline(_LONGEST_LINE)
        if not line:
            return None
        self._read += 1
        line = line.removesuffix(self._end)
        line = line.removesuffix("\r") if self._end == "\n" else line.removeprefix("\n")
        return line if self._separator != _UNIT else line.replace(self._layout.separator, _UNIT)

    def _row(self, line: str) -> list[str] | BadRow:
        if "\0" in line:
            return BadRow(Flaw.NUL_BYTES, "NUL bytes", line.replace("\0", "\\0"))
        if '"' not in line:
            return self._fit(line.split(self._separator), line)
        cells = self._parse(line)
        if cells is None and self._is_open(line):
            cells = self._parse_lines(line)
        if cells is None or not self._fits(cells):
            mended = self._mend(line) if cells is None else self._parse(line, skip_blanks=True)
            if mended is not None and self._fits(mended):
                return self._checked(mended, line)
        if cells is None:
            return BadRow(Flaw.UNCLOSED_QUOTE, "a quote that is not closed, or not alone in its cell", line)
        return self._fit(cells, line)

    def _parse(self, text: str, *, skip_blanks: bool = False) -> list[str] | None:
        """The cells of a row whose quotes are as they should be, else None."""
        escape = "\\" if self._layout.escape else None
        try:
            return next(
                csv.reader(
                    [text],
                    delimiter=self._separator,
                    escapechar=escape,
                    strict=True,
                    skipinitialspace=skip_blanks,
                )
            )
        except (csv.Error, StopIteration):
            return None

    def _is_open(self, text: str) -> bool:
        """Whether a quote is open at the end."""
        return (text.count('"') - (text.count('\\"') if self._layout.escape else 0)) % 2 == 1

    def _parse_lines(self, line: str) -> list[str] | None:
        """The cells of a row that goes on in further lines; else None, and these lines are read again."""
        lines = [line]
        chars = len(line)
        while len(lines) < _MOST_LINES and chars < _MOST_CHARS and (more := self._next_line()) is not None:
            lines.append(more)
            chars += len(more)
            if '"' in more and not self._is_open(text := "\n".join(lines)):
                cells = self._parse(text)
                if cells is not None and self._fits(cells):
                    return cells
                break
        self._read -= len(lines) - 1
        self._ahead += reversed(lines[1:])
        return None

    def _mend(self, line: str) -> list[str]:
        """The cells of a line whose quotes are letters."""
        plain = line.split(self._separator)
        if self._fits(plain):
            return [_bare(cell) for cell in plain]
        mark = re.escape(self._separator)
        loose = re.findall(rf'(?:^|(?<={mark}))\s*(?:"(.*?)"\s*(?={mark}|$)|([^{mark}]*))', line)
        return [quoted.replace('""', '"') or bare for quoted, bare in loose]

    def _fits(self, cells: list[str]) -> bool:
        return self._layout.needed <= len(cells) <= len(self._layout.names)

    def _fit(self, cells: list[str], line: str) -> list[str] | BadRow:
        names = len(self._layout.names)
        while len(cells) > names and not cells[-1].strip():
            cells.pop()
        if len(cells) > names:
            return BadRow(Flaw.TOO_MANY_CELLS, f"{len(cells)} cells instead of {names}", line)
        if len(cells) < self._layout.needed:
            got = f"{len(cells)} cell{'s' * (len(cells) > 1)} instead of {names}"
            return BadRow(Flaw.TOO_FEW_CELLS, got, line)
        return self._checked(cells, line)

    def _checked(self, cells: list[str], line: str) -> list[str] | BadRow:
        if not line.isascii() and any(_DAMAGED.search(cell) for cell in cells):
            return BadRow(Flaw.NOT_TEXT, "bytes of another encoding", line)
        return cells + [""] * (len(self._layout.names) - len(cells))


def _bare(cell: str) -> str:
    """A cell without the quotes around it, or one that is left over at its begin."""
    stripped = cell.strip()
    if len(stripped) > 1 and stripped[0] == stripped[-1] == '"':
        return stripped[1:-1].replace('""', '"')
    return stripped[1:] if stripped.startswith('"') and stripped.count('"') == 1 else cell
