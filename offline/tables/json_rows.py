"""Rows of JSON of any kind: lines, an array, or objects around one; what is no object is set aside."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from offline.tables.flaws import BadRow, Flaw, TableError

_LONGEST = 1 << 26
_CHUNK = 1 << 20
_BLANK = re.compile(r"[\s,\ufeff]*")
_OBJECTS = re.compile(r"\[\s*\{")

JsonRow = tuple[int, dict[str, Any] | BadRow]
"""The line, from 1, on which a row begins, and its values by name."""


def json_rows(path: Path, encoding: str, *, lines: bool) -> Iterator[JsonRow]:
    """The rows of `path`: the objects that its lines are, else those of the first array of objects in it.

    `lines` says that its name promises lines: one object on one line is a row then.

    Raises:
        TableError: there is no such array.
    """
    errors = "replace" if encoding.startswith(("utf-16", "utf-32")) else "surrogateescape"
    with path.open(encoding=encoding, errors=errors) as stream:
        if _are_lines(stream, promised=lines):
            yield from _lines(stream)
        else:
            yield from _Document(stream).rows()


def _are_lines(stream: TextIO, *, promised: bool) -> bool:
    """Whether a line is a row: where the first that is not blank is a whole object, or where none of two is."""
    seen = [line for line in (stream.readline(_LONGEST).strip(" \t\r\n\ufeff\0") for _ in range(50)) if line][:3]
    stream.seek(0)
    if seen and seen[0].startswith("["):
        return False
    if len(seen) == 1 and not promised:
        return False
    objects = [isinstance(_parse(line), dict) for line in seen]
    return any(objects) or (len(seen) > 1 and all(line.startswith("{") and len(line) > 1 for line in seen[:2]))


def _lines(stream: TextIO) -> Iterator[JsonRow]:
    number = 0
    while line := stream.readline(_LONGEST):
        number += 1
        text = line.strip(" \t\r\n\ufeff\0")
        if text:
            yield number, _row(_parse(text), text)


def _row(value: Any, text: str) -> dict[str, Any] | BadRow:
    if value is _BROKEN:
        return BadRow(Flaw.BROKEN_JSON, f"a line of {len(text):,} characters that is no JSON", text)
    if not isinstance(value, dict):
        return BadRow(Flaw.NO_OBJECT, f"JSON that is {_kind(value)}", text)
    if not text.isascii() and any("\udc80" <= letter <= "\udcff" for letter in text):
        return BadRow(Flaw.NOT_TEXT, "bytes of another encoding", text)
    return value


_BROKEN = object()


def _parse(text: str) -> Any:
    """The value of `text`; `_BROKEN` where it is none. What Python prints of a dict is taken for JSON, too."""
    try:
        return json.loads(text, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        pass
    if text.startswith("{'") and text.endswith("}"):
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
            pass
    return _BROKEN


def _kind(value: Any) -> str:
    return {list: "a list", str: "a text", bool: "true or false"}.get(type(value), "a number or null")


class _Document:
    """A JSON document, read a piece at a time."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._decoder = json.JSONDecoder(parse_constant=lambda _: None)
        self._text = ""
        self._position = 0
        self._line = 1
        self._ended = False

    def rows(self) -> Iterator[JsonRow]:
        """The objects of the first array of objects; else the objects that follow one another."""
        if self._peek() == "[":
            self._position += 1
            yield from self._elements()
            return
        whole = self._next() is not _BROKEN
        several = whole and self._peek() == "{"
        self._rewind()
        if not several and self._to_array():
            yield from self._elements()
            return
        self._rewind()
        yield from self._elements(several=True)

    def _rewind(self) -> None:
        self._stream.seek(0)
        self._text, self._position, self._line, self._ended = "", 0, 1, False

    def _to_array(self) -> bool:
        """Go to the first element of the first array of objects inside the object that begins here, if it has one."""
        depth = 0
        while (begin := self._peek()) in ("{", "}", '"') and begin:
            if begin != '"':
                self._position += 1
                depth += 1 if begin == "{" else -1
                if not depth:
                    return False
                continue
            if self._next() is _BROKEN or self._peek() != ":":
                return False
            self._position += 1
            begin = self._peek()
            if begin == "[" and self._are_objects():
                self._position += 1
                return True
            if begin != "{" and self._next() is _BROKEN:
                return False
        return False

    def _are_objects(self) -> bool:
        """Whether an object stands first in the array that begins here."""
        while len(self._text) - self._position < 4_096 and self._more():
            pass
        return _OBJECTS.match(self._text, self._position) is not None

    def _elements(self, *, several: bool = False) -> Iterator[JsonRow]:
        """What follows, one value after another, up to the end of the array; `several` objects follow one another."""
        count = 0
        while (begin := self._peek()) and begin != "]":
            line = self._line
            value = self._next()
            if value is _BROKEN:
                if not count and several:
                    raise TableError("no rows", "give a JSON array of objects, or an object on each line")
                rest = self._text[self._position : self._position + 2_000]
                yield line, BadRow(Flaw.BROKEN_JSON, "JSON that breaks off: nothing after it is read", rest)
                return
            count += 1
            yield line, _row(value, "" if isinstance(value, dict) else str(value))
        if not begin and not several:
            yield self._line, BadRow(Flaw.BROKEN_JSON, "JSON that breaks off: the array has no end", "")

    def _peek(self) -> str:
        """The next letter that is neither blank nor a comma; "" at the end."""
        while True:
            match = _BLANK.match(self._text, self._position)
            end = match.end() if match else self._position
            self._line += self._text.count("\n", self._position, end)
            self._position = end
            if end < len(self._text):
                return self._text[end]
            if not self._more():
                return ""

    def _next(self) -> Any:
        """The value that begins here."""
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._position)
            except (ValueError, RecursionError):
                if len(self._text) - self._position > _LONGEST or not self._more():
                    return _BROKEN
                continue
            if end == len(self._text) and self._more():  # a number may go on
                continue
            self._line += self._text.count("\n", self._position, end)
            self._position = end
            return value

    def _more(self) -> bool:
        if self._ended:
            return False
        chunk = self._stream.read(max(_CHUNK, len(self._text) - self._position))
        self._ended = not chunk
        self._text = self._text[self._position :] + chunk
        self._position = 0
        return bool(chunk)
