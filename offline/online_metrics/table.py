"""Online figures as tables for people, narrow enough for a terminal."""

from datetime import UTC, datetime
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from offline.online_metrics.compare import notes_of
from offline.online_metrics.figures import LABELS, MEANINGS


def online_table(document: dict[str, Any]) -> Group:
    """Return the metrics of each version with 95 % intervals, the comparisons with the last version, and notes."""
    comparisons = [_comparisons(document)] if document["comparisons"] else []
    return Group(_versions(document), *comparisons, *map(Text, _lines(document)))


def _versions(document: dict[str, Any]) -> Table:
    table = _table(f"What {document['answers']} answers led to", "version", "metric", "value", "95 % interval")
    for version in document["versions"]:
        head = [
            version["version"],
            f"{version['answers']} answers, {version['people']} people",
            f"from {_minute(version['from'])}",
            f"to {_minute(version['to'])}",
        ]
        values = [f"{version['metrics'][metric]:.4f}" for metric in MEANINGS]
        ends = ["{:.4f} .. {:.4f}".format(*version["ci95"][metric]) for metric in MEANINGS]
        table.add_row(*map("\n".join, (head, LABELS.values(), values, ends)))
    return table


def _comparisons(document: dict[str, Any]) -> Table:
    last = document["versions"][-1]["version"]
    table = _table(f"{last} less each one before it", "version", "metric", "difference", "95 % interval")
    for comparison in document["comparisons"]:
        figures = [comparison["differences"][metric] for metric in MEANINGS]
        differences = [f"{figure['difference']:+.4f} {figure['said']:5}" for figure in figures]
        ends = ["-" if figure["ci95"] is None else "{:+.4f} .. {:+.4f}".format(*figure["ci95"]) for figure in figures]
        table.add_row(*map("\n".join, ([comparison["than"]], LABELS.values(), differences, ends)))
    return table


def _table(title: str, first: str, *others: str) -> Table:
    table = Table(title=title, title_justify="left", show_lines=True)
    table.add_column(first, overflow="fold")
    for heading in others:
        table.add_column(heading, no_wrap=True, justify="left" if heading == "metric" else "right")
    return table


def _lines(document: dict[str, Any]) -> list[str]:
    events = document["events"]
    counted = ", ".join(f"{number} {outcome.replace('_', ' ')}" for outcome, number in events.items())
    lines = [f"{LABELS[metric]}: {meaning}." for metric, meaning in MEANINGS.items()]
    lines.append(f"Within {document['window_s']:.0f} s of the answer. Events that name an answer: {counted}.")
    lines += [
        f"{version['version']}: {version['searches_without_items']} of {version['searches']} searches found nothing."
        for version in document["versions"]
        if version["searches"]
    ]
    lines += [f"Note: {note}" for note in notes_of(document)]
    return lines


def _minute(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M")
