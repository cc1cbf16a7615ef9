"""What is wrong with a data set's files, or odd: one finding each, with what to do about it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from app.artifact.ids import MAX_ID
from offline.errors import DatasetError, Mistake
from offline.ingest.rejects import Reason
from offline.tables.flaws import Flaw
from offline.tables.lines import line_numbers

Level = Literal["error", "warning", "note"]
LEVELS: tuple[Level, ...] = ("error", "warning", "note")
"""What stops ingest, what may be wrong, and what is read otherwise than it is written."""


@dataclass(frozen=True)
class Finding:
    """`row` counts rows of `file` from 1, `line` its lines; `count` findings of the kind are in the whole table."""

    level: Level
    table: str
    expected: str
    found: str
    advice: str
    file: str | None = None
    row: int | None = None
    line: int | None = None
    column: str | None = None
    count: int = 1


@dataclass(frozen=True)
class _Remedy:
    role: str
    expected: str
    advice: str


_LONGEST = 120
_BEGIN = 40
_GOT = "got"
"""In place of a role, where a row could not be read: its record says what is there."""

_REMEDIES: Mapping[Reason | Flaw, _Remedy] = {
    Reason.EMPTY_USER: _Remedy("user", "a user id", "fill it in or leave the row out of the export"),
    Reason.EMPTY_ITEM: _Remedy("item", "an item id", "fill it in or leave the row out of the export"),
    Reason.UNKNOWN_TYPE: _Remedy("type", "view, cart or purchase", "map the word in [events.types]"),
    Reason.UNREADABLE_TIME: _Remedy("time", "unix seconds, milliseconds, or ISO 8601", "write 2025-01-31T12:00:00Z"),
    Reason.UNREADABLE_POSITION: _Remedy("position", "a number", "correct it, or leave it empty"),
    Reason.UNREADABLE_RATING: _Remedy("rating", "a number", "correct it, or leave it empty"),
    Reason.LONG_ID: _Remedy("item", f"an id of at most {MAX_ID} characters", "give it a shorter one: no call takes it"),
    Reason.NEGATIVE_PRICE: _Remedy("price", "a price of at least 0", "leave returns out of the export"),
    Reason.UNKNOWN_SPLIT: _Remedy("split", "train, valid, test or context", "correct the word"),
    Flaw.TOO_MANY_CELLS: _Remedy(_GOT, "as many cells as the header has", "put quotes around values with a separator"),
    Flaw.TOO_FEW_CELLS: _Remedy(_GOT, "as many cells as the header has", "complete the row"),
    Flaw.UNCLOSED_QUOTE: _Remedy(_GOT, "quotes that are closed", 'write a quote within quotes twice: "27"" monitor"'),
    Flaw.NOT_TEXT: _Remedy(_GOT, "one encoding in the whole file", "save it as UTF-8"),
    Flaw.NUL_BYTES: _Remedy(_GOT, "text", "export the row again"),
    Flaw.BROKEN_JSON: _Remedy(_GOT, "a whole JSON object", "export the row again"),
    Flaw.NO_OBJECT: _Remedy(_GOT, "a JSON object", "write one object a row"),
}


def findings_of_rejected(
    table: str, rejected: pl.DataFrame, columns: Mapping[str, str], *, max_rows: int, level: Level
) -> list[Finding]:
    """A finding a rejected row, the first `max_rows` of each file and reason; the first of these counts them all.

    Args:
        table: events, items or users.
        rejected: as `rejects.rejected_rows` returns them.
        columns: role -> name of the column in the files.
        max_rows: to show of each file and reason.
        level: whether so many bad rows stop ingest.
    """
    findings = []
    for (file, reason), rows in rejected.group_by(["file", "reason"], maintain_order=True):
        remedy = next(known for name, known in _REMEDIES.items() if name == reason)
        role = "id" if table != "events" and remedy.role in ("user", "item") else remedy.role
        shown = rows.head(max_rows)
        lines = line_numbers(str(file), shown.get_column("row"))
        for number, row in enumerate(shown.iter_rows(named=True)):
            value = json.loads(row["record"]).get(role)
            findings.append(
                Finding(
                    level,
                    table,
                    expected=remedy.expected,
                    found=_shown(value, role),
                    advice=remedy.advice,
                    file=str(file),
                    row=row["row"],
                    line=lines.get(row["row"]),
                    column=columns.get(role),
                    count=rows.height if number == 0 else 1,
                )
            )
    return findings


def _shown(value: object, role: str) -> str:
    if value is None or not str(value).strip():
        return "nothing"
    if len(str(value)) > _LONGEST:
        return f"{str(value)[:_BEGIN]!r}... ({len(str(value)):,} characters)"
    return str(value) if role == _GOT else repr(value)


def findings_of_error(table: str, error: DatasetError) -> list[Finding]:
    """What stops the reading of a table: a finding for each mistake, or for each line of a mere text."""
    if not error.mistakes:
        return [
            Finding("error", table, "a readable data set", line, "correct it") for line in error.message.splitlines()
        ]
    return findings_of_mistakes(table, error.mistakes)


def findings_of_mistakes(table: str, mistakes: Iterable[Mistake]) -> list[Finding]:
    """A finding for each mistake; all of them stop ingest."""
    return [
        Finding("error", table, mistake.expected, mistake.got, mistake.advice, file=mistake.location)
        for mistake in mistakes
    ]


def errors_of(findings: Sequence[Finding]) -> list[Finding]:
    """The findings that stop ingest."""
    return [finding for finding in findings if finding.level == "error"]
