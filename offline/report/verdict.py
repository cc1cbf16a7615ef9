"""Whether to publish, by rules that each say their reason in a sentence.

`do not publish` is what the gate of `publish` refuses, and nothing else; what else is amiss asks for a closer look.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from offline.evaluation.document import (
    ITEM_KNN,
    ITEM_KNN_WINDOW,
    LEXICAL,
    POPULARITY,
    QUERY_ALONE,
    SEMANTIC,
    TF_IDF,
    USER_ALONE,
    VECTOR,
    Difference,
    EvaluationDocument,
)
from offline.evaluation.slices import COLD_USERS
from offline.publishing.gate import comparison_of, refusal_of
from offline.report.numbers import count, figure, interval, is_number, share, signed

Document = dict[str, Any]

MAX_BAD_ROWS = 0.01
MAX_DUPLICATES = 0.2
MAX_ABSENT_ITEMS = 0.05
MAX_UNKNOWN_TARGETS = 0.2
MAX_COMPRESSION_LOSS = 0.01  # relative, of the metric
MIN_OVERLAP = 0.95
MIN_USERS = 200
TOO_GOOD = 0.9
TOO_GOOD_FACTOR = 5.0  # times the best baseline
TOO_GOOD_FROM = 0.05  # a metric below it may well be many times a baseline's
STILL_RISING = 0.01  # relative, in the last epoch
MAX_ECE = 0.05


NO_VALIDATION = "negative loss"
"""The metric of a training that had nobody to validate on."""


class Decision(StrEnum):
    """What to do with the bundle."""

    PUBLISH = "publish"
    LOOK = "look closer"
    REFUSE = "do not publish"


class Weight(StrEnum):
    """How much a finding counts."""

    GOOD = "good"
    NOTE = "note"  # worth knowing; decides nothing
    LOOK = "look closer"
    BAD = "do not publish"


@dataclass(frozen=True)
class Finding:
    """The outcome of one rule."""

    weight: Weight
    sentence: str


@dataclass(frozen=True)
class Verdict:
    """The decision and its reasons, the weightiest first."""

    decision: Decision
    findings: Sequence[Finding]

    def sentences(self) -> list[str]:
        """The reasons."""
        return [finding.sentence for finding in self.findings]


@dataclass(frozen=True)
class Evidence:
    """What the rules look at."""

    document: EvaluationDocument
    summary: Document | None = None  # of ingest
    compression: Sequence[Document] = ()  # of the manifest
    curves: Sequence[tuple[str, Document]] = ()  # what was trained, and its history
    version: str | None = None  # of the bundle that would be published


def verdict_of(evidence: Evidence) -> Verdict:
    """Every rule's finding, and what they come to."""
    findings = [finding for rule in _RULES for finding in rule(evidence)]
    weights = {finding.weight for finding in findings}
    decision = Decision.REFUSE if Weight.BAD in weights else Decision.LOOK if Weight.LOOK in weights else None
    order = (Weight.BAD, Weight.LOOK, Weight.GOOD, Weight.NOTE)
    return Verdict(decision or Decision.PUBLISH, sorted(findings, key=lambda finding: order.index(finding.weight)))


def against_popularity(evidence: Evidence) -> Iterator[Finding]:
    """The rule of the gate; an interval that includes zero proves nothing."""
    document = evidence.document
    report = document.first_report
    comparison = comparison_of(report)
    if comparison is None:
        if not document.baselines:
            yield Finding(Weight.LOOK, "It was never compared with popularity: evaluate it with baselines.")
        return
    refusal = refusal_of(comparison)
    lift = report.lifts[POPULARITY][comparison.metric]
    if refusal is not None:
        yield Finding(Weight.BAD, f"{_capital(refusal)}. Recommending what is popular would serve shoppers better.")
    elif comparison.low > 0:
        yield Finding(Weight.GOOD, f"It beats popularity: {_lead(document, comparison.metric, lift)}.")
    else:
        yield Finding(
            Weight.LOOK,
            f"It is not surely better than popularity: {_lead(document, comparison.metric, lift)}, which includes "
            "zero.",
        )
    for other in document.reports[1:]:
        worse = [metric for metric, lift in other.lifts.get(POPULARITY, {}).items() if lift.ci95[1] < 0]
        if worse:
            yield Finding(Weight.LOOK, f"With {_hidden(other.mask)} it is below popularity in {' and '.join(worse)}.")


def against_kin(evidence: Evidence) -> Iterator[Finding]:
    """A model has to beat item-kNN to be worth its upkeep; a ranker has to beat the bundle without it."""
    document = evidence.document
    report = document.first_report
    metric = report.first_metric
    for name in (*document.baselines, *document.variants):
        lift = report.lift(name, metric)
        if name == POPULARITY or metric is None or lift is None:
            continue
        other, (low, high) = NAMES.get(name, name), lift.ci95
        if high < 0:
            yield Finding(Weight.LOOK, f"It is below {other}: {_lead(document, metric, lift)}.")
        elif low > 0:
            yield Finding(Weight.GOOD, f"It beats {other}: {_lead(document, metric, lift)}.")
        else:
            weight = Weight.NOTE if name == VECTOR else Weight.LOOK
            yield Finding(
                weight, f"It is not surely better than {other}: {_lead(document, metric, lift)}, which includes zero."
            )


def scored(evidence: Evidence) -> Iterator[Finding]:
    """Figures of few users, or of targets that nobody could find, prove little."""
    counts = evidence.document.first_report.counts
    users, targets, unknown = (counts.get(name) for name in ("n", "targets", "targets_on_unknown_items"))
    if users is not None and users < MIN_USERS:
        yield Finding(Weight.LOOK, f"Only {count(users)} {scored_ones(evidence.document)} are scored: it may be luck.")
    if targets and unknown and unknown > MAX_UNKNOWN_TARGETS * targets:
        yield Finding(
            Weight.LOOK,
            f"{share(unknown, targets)} of the targets are on items that neither training nor the catalogue has, so "
            "that no model could find them: train oftener, or hand over a newer catalogue.",
        )
    for note in evidence.document.notes:
        yield Finding(Weight.NOTE, f"{_capital(note)}.")


def too_good(evidence: Evidence) -> Iterator[Finding]:
    """Figures out of reach of any model point to a leak."""
    document, report = evidence.document, evidence.document.first_report
    metric = report.first_metric
    if metric is None:
        return
    value = report.means.metrics[metric]
    baselines = (by_mask.get(report.mask) for by_mask in document.baselines.values())
    best = max((0.0 if it is None else it.means.metrics.get(metric, 0.0) for it in baselines), default=None)
    if value > TOO_GOOD:
        reason = f"{metric} of {figure(value)} is more than shoppers let anybody guess"
    elif best is not None and value > TOO_GOOD_FROM and value > TOO_GOOD_FACTOR * best:
        reason = f"{metric} of {figure(value)} is more than {TOO_GOOD_FACTOR:.0f} times what any baseline reaches"
    else:
        return
    yield Finding(
        Weight.LOOK,
        f"{reason}: too good to be true? Look for a leak, such as an attribute written after the purchase, or the same "
        "event in train and test.",
    )


def cold_users(evidence: Evidence) -> Iterator[Finding]:
    """Users of whom hardly anything is known should get at least what is popular."""
    report = evidence.document.first_report
    metric = report.first_metric or ""
    for part in evidence.document.slices.get(report.mask, []):
        baseline = part.baselines.get(POPULARITY)
        lift = None if baseline is None else baseline.lift.get(metric)
        if part.name == COLD_USERS and lift is not None and lift.ci95[1] < 0:
            yield Finding(
                Weight.LOOK,
                f"{_capital(COLD_USERS)} are served worse than by popularity: {metric} {signed(lift.difference)} "
                f"(95 % interval {interval(lift.ci95, plus=True)}).",
            )


def rows_read(evidence: Evidence) -> Iterator[Finding]:
    """Bad rows, duplicates, and events on items that the catalogue lacks."""
    summary = evidence.summary or {}
    for table in ("events", "items", "users"):
        counts = summary.get(table, {})
        read, rejected, duplicates = (counts.get(name, 0) for name in ("read", "rejected", "duplicates"))
        if rejected > MAX_BAD_ROWS * read:
            yield Finding(Weight.LOOK, f"{share(rejected, read)} of the rows of {table} were bad and left out.")
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
        )


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
            yield Finding(Weight.LOOK, f"Compression costs {share(loss)}: {sentence} instead of {figure(full_value)}.")
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
        )


def trained(evidence: Evidence) -> Iterator[Finding]:
    """Training that learned nothing, and training that was stopped while it still did."""
    for what, history in evidence.curves:
        epochs = [epoch for epoch in history.get("epochs", []) if is_number(epoch.get("value"))]
        if not epochs:
            continue
        last, best = epochs[-1]["value"], max(epoch["value"] for epoch in epochs)
        metric = history.get("metric", "the validation metric")
        if metric == NO_VALIDATION:
            continue
        if best <= 0:
            yield Finding(Weight.LOOK, f"The {what} learned nothing that validation sees: {metric} stayed at 0.")
        elif len(epochs) > 1 and last == best and last - epochs[-2]["value"] > STILL_RISING * abs(last):
            yield Finding(
                Weight.NOTE,
                f"Validation of the {what} was still rising in the last of {len(epochs)} epochs ({metric} "
                f"{figure(epochs[-2]['value'])}, then {figure(last)}): more --epochs or a longer --budget may help.",
            )


def calibrated(evidence: Evidence) -> Iterator[Finding]:
    """Probabilities that are off."""
    for behaviour, figures in (evidence.document.behaviours or {}).items():
        if figures.ece is not None and figures.ece > MAX_ECE:
            yield Finding(
                Weight.NOTE,
                f"P({behaviour}) is off by {share(figures.ece)} on average (ECE): do not take it at its word.",
            )


def current(evidence: Evidence) -> Iterator[Finding]:
    """Figures of another bundle than the one that would be published."""
    measured = evidence.document.bundle.version
    if evidence.version is None:
        yield Finding(Weight.LOOK, "There is no bundle to publish: export it again.")
    elif measured != evidence.version:
        yield Finding(
            Weight.LOOK, f"The figures are of {measured}, but the current bundle is {evidence.version}: evaluate again."
        )


_RULES: tuple[Callable[[Evidence], Iterator[Finding]], ...] = (
    against_popularity,
    against_kin,
    current,
    scored,
    too_good,
    cold_users,
    rows_read,
    compressed,
    trained,
    calibrated,
)
NAMES = {
    POPULARITY: "popularity",
    ITEM_KNN: "item-kNN",
    ITEM_KNN_WINDOW: "item-kNN of near events",
    TF_IDF: "tf-idf",
    VECTOR: "the bundle without its ranker",
    LEXICAL: "words alone",
    SEMANTIC: "meaning alone",
    QUERY_ALONE: "the query alone, whoever asks",
    USER_ALONE: "the user alone, whatever is asked",
}
"""What rankings are called in sentences."""


def scored_ones(document: EvaluationDocument) -> str:
    """The noun for what is scored: users, queries or searches."""
    return {"graded_search": "queries", "search": "searches"}.get(document.dataset.task or "", "users")


def _hidden(protocol: str) -> str:
    return {"none": "nothing hidden"}.get(protocol, f"{protocol} items hidden")


def _lead(document: EvaluationDocument, metric: str, lift: Difference) -> str:
    return (
        f"{metric} {figure(document.first_report.means.metrics[metric])}, a difference of {signed(lift.difference)} "
        f"(95 % interval {interval(lift.ci95, plus=True)})"
    )


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
