"""The page of what shoppers did with answers, for the folder that `collect` writes into."""

from pathlib import Path
from typing import Any

from offline.online_metrics.compare import AHEAD, BEHIND, OPEN, notes_of
from offline.online_metrics.figures import LABELS
from offline.report.findings import Finding, Weight
from offline.report.numbers import count, interval, moment, share, signed
from offline.report.page import Head, html_of
from offline.report.sections.live import live_section
from offline.workspace.atomic import atomic_file
from offline.workspace.storage_errors import storage_errors

PAGE_FILE = "online.html"

_MEANING = "What shoppers did with the answers that they were shown, by the version that answered."
_WEIGHTS = {AHEAD: Weight.GOOD, BEHIND: Weight.LOOK}
_WORDS = {AHEAD: "is above", BEHIND: "is below", OPEN: "cannot be told from"}


def write_online_page(document: dict[str, Any], logs: Path, page: Path) -> None:
    """Write the page, whole or not at all.

    Args:
        document: what `evaluate_online` returned.
        logs: the folder that it was measured on.
        page: the file to write.

    Raises:
        StorageError: the file cannot be written.
    """
    with storage_errors(page), atomic_file(page) as temporary:
        temporary.write_text(online_page(document, logs.resolve().name), encoding="utf-8")


def online_page(document: dict[str, Any], name: str) -> str:
    """The page as one text; `name` is that of the shop."""
    versions = document["versions"]
    if versions:
        last = versions[-1]
        heading = f"CTR {share(last['metrics']['ctr'])}"
        since = min(version["from"] for version in versions)
        subject = f"{count(document['answers'])} answers, {moment(since)} to {moment(last['to'])}."
    else:
        heading, subject = "Nothing was shown", ""
    head = Head(
        title=f"live answers: {name}",
        name=name,
        subject=subject,
        kind="Live answers",
        heading=heading,
        meaning=_MEANING + (f" The figure is of {versions[-1]['version']}, the last one." if versions else ""),
        findings=[*_findings(document), *(Finding(Weight.LOOK, note) for note in notes_of(document))],
    )
    return html_of(head, [live_section(document)])


def _findings(document: dict[str, Any]) -> list[Finding]:
    """How the last version compares with the one before it."""
    return [
        Finding(
            _WEIGHTS.get(difference["said"], Weight.NOTE),
            f"{LABELS[metric]} of {comparison['version']} {_WORDS[difference['said']]} that of {comparison['than']}: "
            f"{signed(difference['difference'])} ({interval(difference['ci95'], plus=True)}).",
        )
        for comparison in document["comparisons"][:1]
        for metric, difference in comparison["differences"].items()
    ]
