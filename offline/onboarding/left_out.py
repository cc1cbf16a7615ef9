"""What ingest reads and leaves out, as it is meant: returns, words and ratings that are no events."""

from collections.abc import Mapping

from offline.dataset.event_meaning import undone_by
from offline.dataset.spec import EventsSpec
from offline.ingest.type_events import LeftOut
from offline.onboarding.findings import Finding


def left_out_findings(counts: Mapping[str, object], table: EventsSpec, columns: Mapping[str, str]) -> list[Finding]:
    """How many rows were taken back, or say nothing, from what cleaning counted; `columns` by role, those there are."""
    findings = []
    undone, lone = _int(counts, "undone"), _int(counts, "undo_without_event")
    if undone or lone:
        got = f"{_many(undone, 'event')} taken back, {_many(lone, 'return')} of what the log does not have"
        column = columns.get("type" if undone_by(table.types) else "quantity")
        findings.append(_note("events that stay", got, "none: both are left out", column, undone + lone))
    if ignored := _int(counts, LeftOut.IGNORED.value):
        got = f"{_many(ignored, 'row')} of words that say ignore"
        findings.append(_note("events", got, "none: they are left out", columns.get("type"), ignored))
    if disliked := _int(counts, LeftOut.DISLIKED.value):
        got = f"{_many(disliked, 'row')} with a low rating"
        advice = "none: they are left out; rating_from says from which rating on rows count"
        findings.append(_note("what users like", got, advice, columns.get("rating"), disliked))
    if empty := _int(counts, "no_quantity"):
        got = f"{_many(empty, 'row')} with a quantity of 0"
        advice = "they count as events: leave them out of the export if nothing was bought"
        column = columns.get("quantity")
        findings.append(
            Finding("warning", "events", "a quantity other than 0", got, advice, column=column, count=empty)
        )
    return findings


def _note(expected: str, got: str, advice: str, column: str | None, count: int) -> Finding:
    return Finding("note", "events", expected, got, advice, column=column, count=count)


def _many(number: int, name: str) -> str:
    return f"{number} {name}" if number == 1 else f"{number} {name}s"


def _int(counts: Mapping[str, object], name: str) -> int:
    number = counts.get(name, 0)
    return number if isinstance(number, int) else 0
