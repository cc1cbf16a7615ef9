"""Rules on the run behind the figures: its rows, its training, its compression, its budget, and what is served."""

from collections.abc import Iterator
from typing import Any

from offline.dataset.people import read_person, skip_key
from offline.evaluation.calibration_error import MAX_ECE
from offline.report.findings import Document, Evidence, Finding, Weight
from offline.report.next_steps import cut_by_time, train_longer
from offline.report.numbers import count, duration, figure, is_number, share
from offline.training.state import LOSS

MAX_BAD_ROWS = 0.01
MAX_DUPLICATES = 0.2
MAX_ABSENT_ITEMS = 0.05
MAX_COMPRESSION_LOSS = 0.01  # relative, of the metric
MIN_OVERLAP = 0.95
STILL_RISING = 0.01  # relative, in the last epoch
SHOWN_ROBOTS = 5

NO_VALIDATION = frozenset({LOSS, "negative loss"})
"""The metrics of a training that had nobody to validate on; older runs call the loss by its negative."""


def rows_read(evidence: Evidence) -> Iterator[Finding]:
    """Bad rows, duplicates, and events on items that the catalogue lacks."""
    summary = evidence.summary or {}
    for table in ("events", "items", "users"):
        counts = summary.get(table, {})
        read, rejected, duplicates = (counts.get(name, 0) for name in ("read", "rejected", "duplicates"))
        if rejected > MAX_BAD_ROWS * read:
            yield Finding(
                Weight.LOOK,
                f"{share(rejected, read)} of the rows of {table} were bad and left out{_reasons(counts)}.",
                "Look at ingest/rejected.parquet in the run folder: where these rows should be left out (returns, "
                "tests), publish; else aisle-offline check says of each file and line what to mend.",
            )
        elif table == "events" and read:
            yield Finding(Weight.GOOD, f"Of {count(read)} rows of events {count(rejected)} were bad and left out.")
        if duplicates > MAX_DUPLICATES * read:
            yield Finding(Weight.NOTE, f"{share(duplicates, read)} of the rows of {table} say what another one says.")
    events, items = summary.get("events", {}), summary.get("items", {})
    absent, total = events.get("on_items_absent_from_catalogue", 0), events.get("kept", 0)
    if items.get("kept") and absent > MAX_ABSENT_ITEMS * total:
        yield Finding(
            Weight.LOOK,
            f"{share(absent, total)} of the events are on items that the catalogue lacks: do both write ids alike?",
            "aisle-offline check names such an item: look it up in the catalogue. If it was sold out, export the "
            "catalogue with former items (in_stock = false hides them); if it is written otherwise, name the other "
            "column in dataset.toml.",
        )


def robots(evidence: Evidence) -> Iterator[Finding]:
    """Users with so many events that they are no persons; what they did was learned."""
    counts = (evidence.summary or {}).get("events", {})
    heavy: dict[str, int] = counts.get("heavy_users", {})
    if not heavy:
        return
    names = [f"{_named(text)} ({count(number)})" for text, number in heavy.items()]
    more = f" and {count(len(names) - SHOWN_ROBOTS)} more" if len(names) > SHOWN_ROBOTS else ""
    skipped: dict[str, list[str]] = {}
    for text in heavy:
        skipped.setdefault(skip_key(text), []).append(f'"{read_person(text).id}"')
    skip = ", ".join(f"{key} = [{', '.join(ids)}]" for key, ids in skipped.items())
    yield Finding(
        Weight.LOOK,
        f"{share(sum(heavy.values()), counts.get('kept'))} of the events are of {_users(len(heavy))}, who may be "
        f"robots: {', '.join(names[:SHOWN_ROBOTS])}{more}.",
        f"Leave them out: {skip} in [events] of dataset.toml, then run again. Publish anyway if they "
        "are people, such as a till that all customers share.",
    )


def _named(text: str) -> str:
    person = read_person(text)
    return person.id if person.kind == "user" else f"visitor {person.id}"


def compressed(evidence: Evidence) -> Iterator[Finding]:
    """What the chosen variant loses against the one in full precision, which comes first in the table."""
    variants = [entry for entry in evidence.compression if "variant" in entry]
    chosen = next((entry for entry in variants if entry.get("chosen")), None)
    full_value, chosen_value = (
        None if entry is None else entry.get("value") for entry in (next(iter(variants), None), chosen)
    )
    if chosen is not None and chosen is not variants[0] and is_number(full_value) and is_number(chosen_value):
        loss = (full_value - chosen_value) / full_value if full_value else 0.0
        sentence = f"the chosen variant ({chosen['variant']}) has {chosen.get('metric')} {figure(chosen_value)}"
        if loss > MAX_COMPRESSION_LOSS:
            yield Finding(
                Weight.LOOK,
                f"Compression costs {share(loss)}: {sentence} instead of {figure(full_value)}.",
                "Run again with --max-loss 0: only compress and what follows are done anew.",
            )
        else:
            yield Finding(
                Weight.GOOD,
                f"Compression costs {share(max(loss, 0.0))}: {sentence}, uncompressed {figure(full_value)}.",
            )
    overlap: Any = (chosen or next(iter(evidence.compression), {})).get("overlap_at_10")
    # A cut network may answer otherwise and as well: only where that was not measured does overlap tell.
    if not (chosen and is_number(chosen.get("value"))) and is_number(overlap) and overlap < MIN_OVERLAP:
        yield Finding(
            Weight.LOOK,
            f"Only {share(overlap)} of the network's ten best items are among the ten best of the compressed bundle.",
            "Give it users to validate on (more days of log), so that the loss itself is measured; or publish anyway "
            "if it beats the baselines above: their figures are of the compressed bundle.",
        )


def trained(evidence: Evidence) -> Iterator[Finding]:
    """Training that learned nothing, and training that was stopped while it still did."""
    for what, history in evidence.curves:
        epochs = [epoch for epoch in history.get("epochs", []) if is_number(epoch.get("value"))]
        if not epochs:
            continue
        last, best = epochs[-1]["value"], max(epoch["value"] for epoch in epochs)
        metric = history.get("metric", "the validation metric")
        if metric in NO_VALIDATION:
            continue
        if best <= 0:
            yield Finding(
                Weight.LOOK,
                f"The {what} learned nothing that validation sees: {metric} stayed at 0.",
                train_longer(evidence.curves) or "Hand over more days of log: too few users, or items, return.",
            )
        elif len(epochs) > 1 and last == best and last - epochs[-2]["value"] > STILL_RISING * abs(last):
            done = epochs[-1].get("epoch", len(epochs))
            yield Finding(
                Weight.NOTE,
                f"Validation of the {what} was still rising in the last of {done} epochs ({metric} "
                f"{figure(epochs[-2]['value'])}, then {figure(last)}): more --epochs or a longer --budget may help.",
                train_longer([(name, curve) for name, curve in evidence.curves if name == what]) or "",
            )


def bounded(evidence: Evidence) -> Iterator[Finding]:
    """What a budget left undone."""
    budget = (evidence.document.timings or {}).get("budget") or {}
    sentences = [sentence for of_stage in budget.get("cut_short", {}).values() for sentence in of_stage]
    if sentences:
        yield Finding(
            Weight.NOTE,
            f"The budget of {duration(budget.get('seconds'))} cut the run short: {'; '.join(sentences)}.",
            "Give a longer --budget, or none.",
        )


def calibrated(evidence: Evidence) -> Iterator[Finding]:
    """Probabilities that are off."""
    step = cut_by_time(evidence.document)
    more = ["More days of log, with more users to validate on, bring them nearer."] if step is None else [step]
    for behaviour, figures in (evidence.document.behaviours or {}).items():
        off = (
            figures.ece is not None and figures.ece > MAX_ECE if figures.calibrated is None else not figures.calibrated
        )
        if not off:
            continue
        worst = "" if figures.max_error is None else f", by {share(figures.max_error)} in the worst tenth of the scale"
        ratio = "" if figures.ratio is None else f", and {figures.ratio:.2g} times as many are promised as come"
        yield Finding(
            Weight.NOTE,
            f"P({behaviour}) is off by {share(figures.ece)} on average (ECE){worst}{ratio}: do not take it at its "
            "word.",
            " ".join(["Order items by it, but do not reckon with it: /predict answers calibrated: false.", *more]),
        )


def current(evidence: Evidence) -> Iterator[Finding]:
    """Figures of another bundle than the one that would be published."""
    measured = evidence.document.bundle.version
    if evidence.version is None:
        yield Finding(
            Weight.LOOK,
            "There is no bundle to publish: export it again.",
            "Give the same aisle-offline run again: it does what is missing.",
        )
    elif measured != evidence.version:
        yield Finding(
            Weight.LOOK,
            f"The figures are of {measured}, but the current bundle is {evidence.version}: evaluate again.",
            "Give the same aisle-offline run again: it does what is missing.",
        )


def drifted(evidence: Evidence) -> Iterator[Finding]:
    """A served version for which the measured figures may not stand."""
    serving = evidence.serving
    drift = None if serving is None else serving.drift
    if drift is None:
        return
    if drift.excesses:
        yield Finding(
            Weight.LOOK,
            f"What is served drifted from what was measured: {'; '.join(drift.excesses)}.",
            "Hold out less of the log (--split time:0.9, or last), or serve the measured version as it is (--serve "
            "measured); publish anyway if the newest events are of another kind, such as a sale, and those count.",
        )
    elif is_number(drift.overlap_at_10):
        yield Finding(
            Weight.GOOD,
            "The version that is served knows the whole log and answers as the measured one: "
            f"{share(drift.overlap_at_10)} of the ten best are the same, scores and calibration are within their "
            "thresholds.",
        )


def _users(number: int) -> str:
    return "one user" if number == 1 else f"{number} users"


def _reasons(counts: Document) -> str:
    """The commonest reason, where ingest noted it."""
    reasons: dict[str, int] = counts.get("reasons", {})
    if not reasons:
        return ""
    reason, number = max(reasons.items(), key=lambda item: item[1])
    return f", most for this ({count(number)}): {reason}"
