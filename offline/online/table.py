"""The online figures as a table for people."""

from datetime import UTC, datetime
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from offline.online.compare import notes_of
from offline.online.figures import MEANINGS


def online_table(document: dict[str, Any]) -> Group:
    """A line for each version with intervals of 95 %, the last version less each before it, and what it all means."""
    table = Table(title=f"What {document['answers']} answers led to", title_justify="left")
    for heading in ("version", "answers", "people", "from", "to"):
        table.add_column(heading)
    for heading in MEANINGS:
        table.add_column(heading, justify="right")
    for version in document["versions"]:
        times = [_day(version[end]) for end in ("from", "to")]
        cells = [_cell(version["metrics"][metric], version["ci95"][metric]) for metric in MEANINGS]
        table.add_row(version["version"], str(version["answers"]), str(version["people"]), *times, *cells)
    beside = [_comparisons(document)] if document["comparisons"] else []
    return Group(table, *beside, *map(Text, _lines(document)))


def _comparisons(document: dict[str, Any]) -> Table:
    last = document["versions"][-1]["version"]
    table = Table(title=f"{last} less each one before it", title_justify="left")
    table.add_column("version")
    for heading in MEANINGS:
        table.add_column(heading, justify="right")
    for comparison in document["comparisons"]:
        cells = [_difference(comparison["differences"][metric]) for metric in MEANINGS]
        table.add_row(comparison["than"], *cells)
    return table


def _lines(document: dict[str, Any]) -> list[str]:
    events = document["events"]
    counted = ", ".join(f"{number} {outcome.replace('_', ' ')}" for outcome, number in events.items())
    lines = [f"{metric}: {meaning}." for metric, meaning in MEANINGS.items()]
    lines.append(f"Within {document['window_s']:.0f} s of the answer. Events that name an answer: {counted}.")
    lines += [f"Note: {note}" for note in notes_of(document)]
    return lines


def _difference(found: dict[str, Any]) -> str:
    if found["ci95"] is None:
        return f"{found['difference']:+.4f}\n-"
    low, high = found["ci95"]
    return f"{found['difference']:+.4f} {found['said']}\n{low:+.4f} .. {high:+.4f}"


def _cell(value: float, ends: list[float]) -> str:
    return f"{value:.4f}\n{ends[0]:.4f} .. {ends[1]:.4f}"


def _day(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M")
