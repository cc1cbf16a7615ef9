"""What is wrong with a data set's files: one finding a mistake, said so that it can be mended."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from offline.onboarding.lines import lines_of

Level = Literal["error", "warning"]


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
class _Mistake:
    role: str
    expected: str
    advice: str


MISTAKES: Mapping[str, _Mistake] = {
    "empty user id": _Mistake("user", "a user id", "fill it in or leave the row out of the export"),
    "empty item id": _Mistake("item", "an item id", "fill it in or leave the row out of the export"),
    "unknown event type": _Mistake("type", "view, cart or purchase", "map the word in [events.types]"),
    "unparsable time": _Mistake("time", "unix seconds, milliseconds, or ISO 8601", "write 2025-01-31T12:00:00Z"),
    "unparsable position": _Mistake("position", "a number", "correct it, or leave it empty"),
    "negative price": _Mistake("price", "a price of at least 0", "leave returns out of the export"),
    "unknown split": _Mistake("split", "train, valid, test or context", "correct the word"),
}
"""What to say of each reason for which `ingest` sets a row aside."""


def of_rejected(
    table: str, rejected: pl.DataFrame, columns: Mapping[str, str], *, most: int, level: Level
) -> list[Finding]:
    """A finding a rejected row, the first `most` of each file and reason; the first of these counts them all.

    Args:
        table: events, items or users.
        rejected: as `rejects.set_aside` gives it.
        columns: role -> name of the column in the files.
        most: rows to show of each file and reason.
        level: whether so many bad rows stop ingest.
    """
    findings = []
    for (file, reason), rows in rejected.group_by(["file", "reason"], maintain_order=True):
        mistake = MISTAKES[str(reason)]
        role = "id" if table != "events" and mistake.role in ("user", "item") else mistake.role
        shown = rows.head(most)
        lines = lines_of(str(file), shown.get_column("row"))
        for number, row in enumerate(shown.iter_rows(named=True)):
            value = json.loads(row["record"]).get(role)
            findings.append(
                Finding(
                    level,
                    table,
                    expected=mistake.expected,
                    found="nothing" if value is None or not str(value).strip() else repr(value),
                    advice=mistake.advice,
                    file=str(file),
                    row=row["row"],
                    line=lines.get(row["row"]),
                    column=columns.get(role),
                    count=rows.height if number == 0 else 1,
                )
            )
    return findings


def of_message(table: str, message: str) -> list[Finding]:
    """The findings in the message of a DatasetError, a line each: `where: expected .., got ..: what to do`."""
    findings = []
    for line in message.splitlines():
        where, _, rest = line.partition(": expected ")
        wanted, _, came = rest.partition(", got ")
        found, _, advice = came.rpartition(": ")
        if rest and came:
            findings.append(Finding("error", table, wanted, found or came, advice or "correct it", file=where))
        else:
            findings.append(Finding("error", table, "a readable data set", line, "correct it"))
    return findings


def errors_of(findings: Sequence[Finding]) -> list[Finding]:
    """Those that stop ingest."""
    return [finding for finding in findings if finding.level == "error"]
