"""The text of a `dataset.toml`, to name the line that an error is about."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from offline.errors import DatasetError

_HEADER = re.compile(r"^\s*\[+\s*(?P<table>[^\[\]]+?)\s*\]+")
_KEY = re.compile(r"""^\s*(?P<key>(?:"[^"]*"|'[^']*'|[\w.-]|\s*\.\s*)+?)\s*=""")
_BARE = re.compile(r"[\w-]+$")


@dataclass(frozen=True)
class TomlText:
    """The file that was read, and what it said."""

    path: Path
    text: str

    def line(self, *keys: str) -> int | None:
        """The line, from 1, of the key of that path, or of the nearest table above it; None without either.

        `line("events", "user")` finds `user = ...` below `[events]`, and `events.user = ...` too.
        """
        found: dict[tuple[str, ...], int] = {}
        table: tuple[str, ...] = ()
        for number, line in enumerate(self.text.splitlines(), start=1):
            if header := _HEADER.match(line):
                table = _parts(header["table"])
                found.setdefault(table, number)
            elif key := _KEY.match(line):
                path = table + _parts(key["key"])
                for length in range(len(table) + 1, len(path) + 1):
                    found.setdefault(path[:length], number)
        for length in range(len(keys), 0, -1):
            if keys[:length] in found:
                return found[keys[:length]]
        return None

    def at(self, *keys: str) -> str:
        """Where to look, in words: `dataset.toml, line 7, events.user`."""
        line = self.line(*keys)
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
        raise DatasetError(
            f"{path}: expected a dataset.toml, got no such file: give the folder that holds one"
        ) from None
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: expected UTF-8 text, got other bytes at {error.start}: save it as UTF-8") from None
    try:
        return TomlText(path, text), tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        said = str(error)
        at = re.search(r"\(at line (\d+), column (\d+)\)", said)
        line = int(at[1]) if at else max(1, len(text.splitlines()))
        shown = (text.splitlines() or [""])[line - 1].strip() if line <= len(text.splitlines()) else ""
        raise DatasetError(
            f"{path}, line {line}: expected TOML, got {shown!r} ({said.partition(' (at ')[0]}): correct it"
        ) from None


def _parts(dotted: str) -> tuple[str, ...]:
    """`events."detail-page-view"` -> its parts, quotes removed."""
    return tuple(
        part[1:-1] if part[:1] in "\"'" else part for part in re.findall(r"""\"[^\"]*\"|'[^']*'|[\w-]+""", dotted)
    )
