"""Whether to publish, by rules that each say their reason in a sentence.

`do not publish` is what the gate of `publish` refuses, and nothing else; what else is amiss asks for a closer look.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from offline.evaluation.calibration_error import MAX_ECE
from offline.evaluation.document import (
    ITEM_KNN,
    ITEM_KNN_WINDOW,
    LEXICAL,
    POPULARITY,
    QUERY_ALONE,
    QUERY_AND_USER,
    QUERY_COUNTS,
    SEMANTIC,
    TF_IDF,
    USER_ALONE,
    VECTOR,
    WITHOUT_HISTORY,
    Difference,
    EvaluationDocument,
    Report,
)
from offline.evaluation.recommendations import NOT_CAUSAL
from offline.evaluation.serving_document import ServingDocument
from offline.evaluation.slices import COLD_USERS, UNKNOWN_USERS
from offline.publishing.gate import RIVALS, comparison_of, refusal_of
from offline.report.next_steps import cut_by_time, gain_ground, tell_apart, train_longer
from offline.report.numbers import count, duration, figure, interval, is_number, share, signed
from offline.training.state import LOSS

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
MAX_BEHIND = 0.05  # as a share of a baseline's metric: that much it may be behind at worst, and still be as good
MANY_UNKNOWN = 0.5
SHOWN_ROBOTS = 5
KNOW_THE_QUERY = frozenset({TF_IDF, QUERY_COUNTS, QUERY_AND_USER})


NO_VALIDATION = frozenset({LOSS, "negative loss"})
"""The metrics of a training that had nobody to validate on; older runs call the loss by its negative."""


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
    next_step: str = ""  # what to do about it; empty where there is nothing to do

    def json(self) -> Document:
        """The finding as JSON."""
        return {"weight": self.weight, "sentence": self.sentence, "next_step": self.next_step}


@dataclass(frozen=True)
class Verdict:
    """The decision and its reasons, the weightiest first."""

    decision: Decision
    findings: Sequence[Finding]

    def sentences(self) -> list[str]:
        """The reasons."""
        return [finding.sentence for finding in self.findings]

    def against(self) -> list[Finding]:
        """The reasons that keep it from `publish`."""
        return [finding for finding in self.findings if finding.weight in (Weight.BAD, Weight.LOOK)]


@dataclass(frozen=True)
class Evidence:
    """What the rules look at."""

    document: EvaluationDocument
    summary: Document | None = None  # of ingest
    compression: Sequence[Document] = ()  # of the manifest
    curves: Sequence[tuple[str, Document]] = ()  # what was trained, and its history
    version: str | None = None  # that the bundle was measured as which would be published
    serving: ServingDocument | None = None


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
            yield Finding(
                Weight.LOOK,
                "It was never compared with popularity: evaluate it with baselines.",
                "Run again without --no-baselines: what was done before is kept.",
            )
        return
    refusal = refusal_of(comparison)
    lift = report.lifts[POPULARITY][comparison.metric]
    train_on = "Keep the version that is served, and train on more days of log."
    if refusal is not None:
        yield Finding(
            Weight.BAD,
            f"{_capital(refusal)}. Recommending what is popular would serve shoppers better.",
            gain_ground(document, evidence.curves, train_on),
        )
    elif comparison.low > 0:
        yield Finding(Weight.GOOD, f"It beats popularity: {_lead(report, comparison.metric, lift)}.")
    else:
        yield _open(
            evidence, f"It is not surely better than popularity: {_lead(report, comparison.metric, lift)}", lift
        )


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
        refusal = refusal_of(comparison_of(report, name)) if name in RIVALS else None
        if refusal is not None:
            sentence = f"{_capital(refusal)}. {_capital(other)} would serve shoppers better."
            yield Finding(Weight.BAD, sentence, _catch_up(evidence, name))
        elif high < 0:
            yield Finding(
                Weight.LOOK, f"It is below {other}: {_lead(report, metric, lift)}.", _catch_up(evidence, name)
            )
        elif low > 0:
            yield Finding(Weight.GOOD, f"It beats {other}: {_lead(report, metric, lift)}.")
        else:
            sentence = f"It is not surely better than {other}: {_lead(report, metric, lift)}"
            if low == high == 0:
                yield Finding(Weight.NOTE, f"It is as good as {other} for each of the {scored_ones(document)}.")
            elif name in document.variants:  # a part of itself, which is served along
                yield Finding(Weight.NOTE, f"{sentence}, which includes zero.")
            elif low > -MAX_BEHIND * (report.means.metrics[metric] - lift.difference):
                behind = share(max(-low, 0.0), report.means.metrics[metric] - lift.difference)
                yield Finding(Weight.NOTE, f"{sentence}, which includes zero; at worst it is {behind} behind.")
            else:
                yield _open(evidence, sentence, lift)


def elsewhere(evidence: Evidence) -> Iterator[Finding]:
    """What is surely below another ranking in any other metric or under any other mask than the first."""
    document = evidence.document
    for report in document.reports:
        for name in (*document.baselines, *document.variants):
            lifts = report.lifts.get(name, {})
            below = [metric for metric, lift in lifts.items() if lift.ci95[1] < 0]
            if report is document.first_report and report.first_metric in below:
                continue  # said already
            if below:
                lead = _lead(report, below[0], lifts[below[0]])
                yield Finding(
                    Weight.LOOK,
                    f"With {_hidden(report.mask)} it is below {NAMES.get(name, name)} in {_and(below)}: {lead}.",
                    _weigh_metrics(evidence),
                )


def scored(evidence: Evidence) -> Iterator[Finding]:
    """Figures of few users, or of targets that nobody could find, prove little."""
    counts = evidence.document.first_report.counts
    users, targets, unknown = (counts.get(name) for name in ("n", "targets", "targets_on_unknown_items"))
    if users is not None and users < MIN_USERS:
        ones = scored_ones(evidence.document)
        more = f"about {math.ceil(MIN_USERS / users)} times as much" if users else "more"
        yield Finding(
            Weight.LOOK,
            f"Only {count(users)} {ones} are scored: it may be luck.",
            f"Add queries with judgments until {MIN_USERS} are scored."
            if ones == "queries"
            else f"Hand over more days of log, {more}, so that {MIN_USERS} {ones} are scored. Publish anyway if that "
            "is all there is, and look at the figures of the next run.",
        )
    if targets and unknown and unknown > MAX_UNKNOWN_TARGETS * targets:
        yield Finding(
            Weight.LOOK,
            f"{share(unknown, targets)} of the targets are on items that neither training nor the catalogue has, so "
            "that no model could find them.",
            "Train oftener (aisle-offline schedule), or hand over a newer catalogue: what it holds can be recommended "
            "before anybody has touched it.",
        )
    for note in evidence.document.notes:
        yield Finding(
            Weight.NOTE, f"{_capital(note)}.", (cut_by_time(evidence.document) or "") if note == NOT_CAUSAL else ""
        )


def without_history(evidence: Evidence) -> Iterator[Finding]:
    """Users of whom nothing is known get what is popular: no figure of theirs says anything of the network."""
    document, report = evidence.document, evidence.document.first_report
    users, unknown = report.counts.get("n"), report.counts.get(WITHOUT_HISTORY)
    if not users or not unknown or document.dataset.task == "graded_search":
        return
    gets = "only their words count" if document.dataset.task == "search" else "they get what is popular"
    metric = report.first_metric
    part = next((part for part in document.slices.get(report.mask, []) if part.name == UNKNOWN_USERS), None)
    if part is not None and metric is not None and metric in part.means.metrics:
        gets += f" ({metric} {figure(part.means.metrics[metric])})"
    yield Finding(
        Weight.NOTE,
        f"{share(unknown, users)} of the scored {scored_ones(document)} ({count(unknown)} of {count(users)}) have no "
        f"history before the cut: {gets}.",
        "Log visitors before they log in, and join them (user in [events]), or publish oftener, so that fewer are "
        "unknown."
        if unknown > MANY_UNKNOWN * users
        else "",
    )


def too_good(evidence: Evidence) -> Iterator[Finding]:
    """Figures out of reach of any model point to a leak.

    What the bundle is compared with has to know as much as it does: in a search the query, too.
    """
    document, report = evidence.document, evidence.document.first_report
    metric = report.first_metric
    if metric is None:
        return
    value = report.means.metrics[metric]
    surely = report.means.ci95.get(metric, [value])[0]
    is_search = document.dataset.task in ("search", "graded_search")
    fair = {name for name in document.baselines if not is_search or name in KNOW_THE_QUERY}
    figures = (document.baselines[name].get(report.mask) for name in fair)
    best = max((0.0 if it is None else it.means.metrics.get(metric, 0.0) for it in figures), default=None)
    if value > TOO_GOOD:
        reason = f"{metric} of {figure(value)} is more than shoppers let anybody guess"
    elif best is not None and value > TOO_GOOD_FROM and surely > TOO_GOOD_FACTOR * best:
        knowing = " that knows the query" if is_search else ""
        reason = (
            f"{metric} of {figure(value)} is more than {TOO_GOOD_FACTOR:.0f} times what any baseline{knowing} reaches"
        )
    else:
        return
    yield Finding(
        Weight.LOOK,
        f"{reason}: too good to be true? Look for a leak, such as an attribute written after the purchase, or the same "
        "event in train and test.",
        cut_by_time(document)
        or "Run once more with --without attributes into another folder: where the figure falls to that of the "
        "baselines, an attribute knows what was bought.",
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
                gain_ground(
                    evidence.document,
                    evidence.curves,
                    "Until a longer log mends it, ask for them without user_id: such requests get what is popular.",
                ),
            )


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
    """Users with so many events that they are no persons; what they did was learned, and counts as popular."""
    counts = (evidence.summary or {}).get("events", {})
    heavy: dict[str, int] = counts.get("heavy_users", {})
    if not heavy:
        return
    names = [f"{user} ({count(number)})" for user, number in heavy.items()]
    more = f" and {count(len(names) - SHOWN_ROBOTS)} more" if len(names) > SHOWN_ROBOTS else ""
    skip = ", ".join(f'"{user}"' for user in heavy)
    yield Finding(
        Weight.LOOK,
        f"{share(sum(heavy.values()), counts.get('kept'))} of the events are of {_users(len(heavy))}, who may be "
        f"robots: {', '.join(names[:SHOWN_ROBOTS])}{more}.",
        f"Leave them out: skip_users = [{skip}] in [events] of dataset.toml, then run again. Publish anyway if they "
        "are people, such as a till that all customers share.",
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


_RULES: tuple[Callable[[Evidence], Iterator[Finding]], ...] = (
    against_popularity,
    against_kin,
    elsewhere,
    current,
    scored,
    without_history,
    too_good,
    cold_users,
    rows_read,
    robots,
    compressed,
    trained,
    bounded,
    calibrated,
    drifted,
)
NAMES = {
    POPULARITY: "popularity",
    ITEM_KNN: "item-kNN",
    ITEM_KNN_WINDOW: "item-kNN of near events",
    TF_IDF: "tf-idf",
    QUERY_COUNTS: "counts of what followed a query",
    QUERY_AND_USER: "counts of queries joined with item-kNN",
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


def _open(evidence: Evidence, sentence: str, lift: Difference) -> Finding:
    """A comparison that proves nothing; where hardly anybody is scored, the finding on that says all there is to do."""
    document, report = evidence.document, evidence.document.first_report
    ones = scored_ones(document)
    if report.counts.get("n", MIN_USERS) < MIN_USERS:
        return Finding(Weight.NOTE, f"{sentence}, which includes zero, as it may with so few {ones}.")
    step = gain_ground(document, evidence.curves, tell_apart(report, lift, ones))
    return Finding(Weight.LOOK, f"{sentence}, which includes zero.", step)


def _catch_up(evidence: Evidence, name: str) -> str:
    """What to do about a bundle that is surely below another ranking."""
    document = evidence.document
    if name in document.variants:
        if name == QUERY_ALONE:
            return "Send searches without user_id and visitor_id, until more of the log names the query of each event."
        learns = "ranker has more users to learn from" if name == VECTOR else "order of searches has more to learn from"
        return gain_ground(document, evidence.curves, f"Hand over more days of log, so that the {learns}.")
    return gain_ground(
        document,
        evidence.curves,
        f"Hand over more days of log, and until then weigh what {NAMES.get(name, name)} lacks (filters, new items, "
        "searches) against the difference.",
    )


def _weigh_metrics(evidence: Evidence) -> str:
    """What to do about a bundle that is surely below another ranking in a metric or mask that is not the first."""
    first = evidence.document.first_report
    weigh = (
        f"Publish if {first.first_metric} with {_hidden(first.mask)} is what counts for you, as the order in "
        "[evaluation] says; else put the metric or mask first that does, and run again."
    )
    return gain_ground(evidence.document, evidence.curves, weigh)


def _users(number: int) -> str:
    return "one user" if number == 1 else f"{number} users"


def _reasons(counts: Document) -> str:
    """The commonest reason, where ingest noted it."""
    reasons: dict[str, int] = counts.get("reasons", {})
    if not reasons:
        return ""
    reason, number = max(reasons.items(), key=lambda item: item[1])
    return f", most for this ({count(number)}): {reason}"


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _hidden(protocol: str) -> str:
    return {"none": "nothing hidden"}.get(protocol, f"{protocol} items hidden")


def _lead(report: Report, metric: str, lift: Difference) -> str:
    return (
        f"{metric} {figure(report.means.metrics.get(metric))}, a difference of {signed(lift.difference)} "
        f"(95 % interval {interval(lift.ci95, plus=True)})"
    )


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
