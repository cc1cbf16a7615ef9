"""Whether every row of a text table is as the first: what the fast reader takes, and reads as it stands."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from offline.tables.encodings import EncodingVotes
from offline.tables.layouts import Layout

_CHUNK = 1 << 22
_LONGEST_ROW = 1 << 26
_NEWLINE, _RETURN, _QUOTE = 10, 13, 34


@dataclass(frozen=True)
class Survey:
    """What a pass over all bytes of a file that might be UTF-8 tells."""

    encoding: str
    plain: bool  # UTF-8, quotes closed, as many cells in each row, no zeros and no blank lines
    quoted_lines: bool  # whether line ends stand in quotes


def survey(path: Path, layout: Layout) -> Survey:
    """Read all of `path` once."""
    votes = EncodingVotes()
    plain = len(layout.separator) == 1 and layout.line_end == "\n" and not layout.escape
    rows = _Rows(ord(layout.separator[0]), len(layout.names))
    rest = b""
    with path.open("rb") as stream:
        if stream.read(3) != b"\xef\xbb\xbf":
            stream.seek(0)
        header = b""
        for _ in range(layout.begin):
            header = stream.readline(_LONGEST_ROW)
            votes.add(header)
        again = b"\n" + header if layout.header else b"\n\n"
        while chunk := stream.read(_CHUNK):
            whole, rest = _whole_lines(rest + chunk)
            votes.add(whole)
            plain = plain and again not in whole and not whole.startswith(again[1:]) and rows.add(whole)
    votes.add(rest)
    if rest and plain:
        plain = rows.add(rest if rest.endswith(b"\n") else rest + b"\n")
    return Survey(votes.encoding, plain and rows.closed and not votes.bad, rows.quoted_lines)


def _whole_lines(data: bytes) -> tuple[bytes, bytes]:
    cut = data.rfind(b"\n") + 1
    if not cut and len(data) > _LONGEST_ROW:
        cut = len(data)
    return data[:cut], data[cut:]


class _Rows:
    """Rows of `width` cells, looked at many lines at once."""

    def __init__(self, separator: int, width: int) -> None:
        self.quoted_lines = False
        self._separator = separator
        self._width = width
        self._rest = b""  # lines of a row that is not whole yet

    @property
    def closed(self) -> bool:
        """Whether no quote is open."""
        return not self._rest

    def add(self, lines: bytes) -> bool:
        """Take whole lines; whether they are plain."""
        data = self._rest + lines if self._rest else lines
        if not data or b"\0" in data or data.count(b"\r") != data.count(b"\r\n") or len(data) > _LONGEST_ROW:
            return not data
        letters = np.frombuffer(data, np.uint8)
        if b'"' not in data:
            return self._are_rows(letters[(letters == self._separator) | (letters == _NEWLINE)])
        quoted = (np.cumsum(letters == _QUOTE, dtype=np.uint8) & 1).astype(bool)
        ends = np.flatnonzero((letters == _NEWLINE) & ~quoted)
        if not len(ends):
            self._rest = data
            return True
        cut = int(ends[-1]) + 1
        self._rest = data[cut:]
        letters, quoted = letters[:cut], quoted[:cut]
        newlines = letters == _NEWLINE
        self.quoted_lines = self.quoted_lines or bool((newlines & quoted).any())
        marks = ((letters == self._separator) | newlines) & ~quoted
        return self._are_rows(letters[marks]) and self._are_quotes(letters)

    def _are_rows(self, marks: npt.NDArray[np.uint8]) -> bool:
        """Whether the separators and line ends are those of whole rows."""
        if len(marks) % self._width:
            return False
        rows = marks.reshape(-1, self._width)
        return bool((rows[:, -1] == _NEWLINE).all() and (rows[:, :-1] == self._separator).all())

    def _are_quotes(self, letters: npt.NDArray[np.uint8]) -> bool:
        """Whether quotes stand at the ends of cells alone, or doubled within."""
        quotes = np.flatnonzero(letters == _QUOTE)
        before = letters[quotes[0::2] - 1]
        after = letters[quotes[1::2] + 1]
        begins = np.isin(before, (self._separator, _NEWLINE, _QUOTE)) | (quotes[0::2] == 0)
        return bool(begins.all() and np.isin(after, (self._separator, _NEWLINE, _RETURN, _QUOTE)).all())
