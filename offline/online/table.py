"""The online figures as a table for people."""

from datetime import UTC, datetime
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from offline.online.figures import MEANINGS


def online_table(document: dict[str, Any]) -> Group:
    """A line for each version and metric, with intervals of 95 %, and what the metrics mean."""
    table = Table(title=f"What {document['answers']} answers led to", title_justify="left")
    for heading in ("version", "answers", "people", "from", "to"):
        table.add_column(heading)
    for heading in MEANINGS:
        table.add_column(heading, justify="right")
    for version in document["versions"]:
        times = [_day(version[end]) for end in ("from", "to")]
        cells = [_cell(version["metrics"][metric], version["ci95"][metric]) for metric in MEANINGS]
        table.add_row(version["version"], str(version["answers"]), str(version["people"]), *times, *cells)
    return Group(table, *map(Text, _lines(document)))


def _lines(document: dict[str, Any]) -> list[str]:
    events = document["events"]
    counted = ", ".join(f"{number} {outcome.replace('_', ' ')}" for outcome, number in events.items())
    lines = [f"{metric}: {meaning}." for metric, meaning in MEANINGS.items()]
    lines.append(f"Within {document['window_s']:.0f} s of the answer. Events that name an answer: {counted}.")
    if len(document["versions"]) > 1:
        lines.append(
            "Note: versions that served one after the other differ by season and visitors, too; only such that served "
            "at the same time to visitors by chance can be compared."
        )
    if not sum(events.values()):
        lines.append("Note: no event has a request_id: send the one of the answer that showed the item.")
    return lines


def _cell(value: float, ends: list[float]) -> str:
    return f"{value:.4f}\n{ends[0]:.4f} .. {ends[1]:.4f}"


def _day(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M")
