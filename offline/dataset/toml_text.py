"""The text of a `dataset.toml`, kept so that an error can name the line that it is about."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from offline.errors import DatasetError, Mistake

_HEADER = re.compile(r"^\s*\[+\s*(?P<table>[^\[\]]+?)\s*\]+")
_KEY = re.compile(r"""^\s*(?P<key>(?:"[^"]*"|'[^']*'|[\w.-]|\s*\.\s*)+?)\s*=""")
_BARE = re.compile(r"[\w-]+$")


@dataclass(frozen=True)
class TomlText:
    """A TOML file, its text, and what it parses to."""

    path: Path
    text: str
    parsed: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def value(self, *keys: str) -> Any:
        """What stands under the keys of that path; None where nothing does."""
        value: Any = self.parsed
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    def line(self, *keys: str, text: str | None = None) -> int | None:
        """The line, from 1, of the key of that path, or of the nearest table above it; None without either.

        `line("events", "user")` finds `user = ...` below `[events]`, and `events.user = ...` too. Of a value on several
        lines it is the one on which the `text` stands in quotes.
        """
        begin = self._line_of(keys)
        if begin is None or text is None:
            return begin
        quoted = re.compile(rf"""[\"']{re.escape(text)}[\"']""")
        lines = self.text.splitlines()
        return next((line for line in range(begin, len(lines) + 1) if quoted.search(lines[line - 1])), begin)

    def _line_of(self, keys: tuple[str, ...]) -> int | None:
        lines: dict[tuple[str, ...], int] = {}
        table: tuple[str, ...] = ()
        for number, line in enumerate(self.text.splitlines(), start=1):
            if header := _HEADER.match(line):
                table = _parts(header["table"])
                lines.setdefault(table, number)
            elif key := _KEY.match(line):
                path = table + _parts(key["key"])
                for length in range(len(table) + 1, len(path) + 1):
                    lines.setdefault(path[:length], number)
        for length in range(len(keys), 0, -1):
            if keys[:length] in lines:
                return lines[keys[:length]]
        return None

    def location(self, *keys: str, line: int | None = None) -> str:
        """The file, line and key in words: `dataset.toml, line 7, events.user`; `line` where it is another one."""
        line = line or self.line(*keys)
        name = ".".join(key if _BARE.match(key) else f'"{key}"' for key in keys)
        return ", ".join([str(self.path), *([f"line {line}"] if line else []), *([name] if name else [])])


def read_toml(path: Path) -> tuple[TomlText, dict[str, object]]:
    """The text of `path` and what it parses to.

    Raises:
        DatasetError: no such file, not UTF-8, or not TOML; names the line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        advice = "give the folder that holds one"
        raise DatasetError(Mistake(str(path), "a dataset.toml", "no such file", advice)) from None
    except UnicodeDecodeError as error:
        got = f"other bytes at {error.start}"
        raise DatasetError(Mistake(str(path), "UTF-8 text", got, "save it as UTF-8")) from None
    try:
        parsed = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        reason = str(error)
        position = re.search(r"\(at line (\d+), column (\d+)\)", reason)
        lines = text.splitlines()
        number = int(position[1]) if position else max(1, len(lines))
        line = lines[number - 1].strip() if number <= len(lines) else ""
        got = f"{line!r} ({reason.partition(' (at ')[0]})"
        raise DatasetError(Mistake(f"{path}, line {number}", "TOML", got, "correct it")) from None
    return TomlText(path, text, parsed), parsed


def _parts(dotted: str) -> tuple[str, ...]:
    """`events."detail-page-view"` -> its parts, quotes removed."""
    return tuple(
        part[1:-1] if part[:1] in "\"'" else part for part in re.findall(r"""\"[^\"]*\"|'[^']*'|[\w-]+""", dotted)
    )
