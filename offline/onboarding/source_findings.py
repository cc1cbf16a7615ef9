"""What a check tells of the tables that join others, and of rows that are left out, from what cleaning counted."""

from collections.abc import Mapping
from typing import Any

from offline.dataset.source_spec import SourceSpec
from offline.onboarding.findings import Finding

LEFT_OUT = ("left_out_by_where", "left_out_by_unnest")
"""Names of counts of rows that are neither read nor bad."""


def source_findings(name: str, table: SourceSpec, counts: Mapping[str, Any]) -> list[Finding]:
    """A note of each table that joined `[name]` and of rows left out, and a warning of what does not fit."""
    findings = [finding for join in counts.get("joined", ()) for finding in _join_findings(name, join)]
    if number := counts.get("left_out_by_unnest"):
        column = table.unnest or getattr(table, "item", "")
        got = f"{_rows(number, 'has', 'have')} no record in {column!r}"
        findings.append(_note(name, "a row for each record", got, "none: left out, and not bad", number))
    if number := counts.get("left_out_by_where"):
        got = f"{_rows(number, 'is', 'are')} left out by where"
        findings.append(_note(name, f"rows of which {table.where} holds", got, "none: others are not bad", number))
    for column, value, some in counts.get("values_of_no_row", ()):
        got = f"no row has {value!r}, as where says; there is {some or 'no value'}"
        findings.append(_warning(name, "words of where that rows have", got, "correct where", 1, column))
    return findings


def left_out(counts: Mapping[str, Any]) -> int:
    """How many rows are neither read nor bad."""
    return sum(int(counts.get(name, 0)) for name in LEFT_OUT)


def _join_findings(name: str, join: Mapping[str, Any]) -> list[Finding]:
    table, keys, rows = join["table"], join["on"], join["rows"]
    size = f"{_rows(join['read'], 'of', 'of')} {join['keys']:,} keys"
    findings = []
    if number := join["unreadable"]:
        got = f"{_rows(number, 'of', 'of')} {table} that cannot be read, the first in {join['unreadable_place']}"
        findings.append(_warning(name, "rows that can be read", got, "correct them, or export them again", number))
    if number := join["repeated_keys"]:
        got = f"{table} has several rows for {number:,} of {join['keys']:,} keys, such as {join['repeated_key']}"
        advice = "none: the newest counts" if join["newest"] else 'none: the first counts, or by newest = "..." another'
        level = _note if join["newest"] else _warning
        findings.append(level(name, f"one row for each {keys}", got, advice, number))
    if not rows:
        got = f"{table} becomes a row a key: {size}"
        return [*findings, _note(name, "properties as columns", got, "none", 1)]
    if missing := join["rows_without_partner"]:
        share = f"{missing:,} of {rows:,} rows ({missing / rows:.1%})"
        got = f"{table} lacks the {keys} of {share}, such as {join['key_without_partner']!r}"
        advice = "export these too: their columns are empty"
        findings.append(_warning(name, f"a row of it for each {keys}", got, advice, missing))
    else:
        got = f"{table} joined: {size}, among them those of all rows"
        findings.append(_note(name, f"a row of it for each {keys}", got, "none", 1))
    if number := join["rows_without_key"]:
        got = f"{_rows(number, 'has', 'have')} no {keys}, by which {table} joins"
        findings.append(_note(name, f"a value of {keys}", got, "none: what it tells is missing there", number))
    return findings


def _rows(number: int, one: str, many: str) -> str:
    return f"{number:,} {f'row {one}' if number == 1 else f'rows {many}'}"


def _note(table: str, expected: str, got: str, advice: str, count: int) -> Finding:
    return Finding("note", table, expected, got, advice, count=count)


def _warning(table: str, expected: str, got: str, advice: str, count: int, column: str | None = None) -> Finding:
    return Finding("warning", table, expected, got, advice, column=column, count=count)
