"""Rules on the figures: against other rankings, who was scored, and what is too good to be true."""

import math
from collections.abc import Iterator, Sequence

from offline.dataset.spec import OWN_WORDS, QUERY_TASKS
from offline.evaluation.causality import NOT_CAUSAL
from offline.evaluation.document import (
    POPULARITY,
    QUERY_ALONE,
    QUERY_AND_USER,
    QUERY_COUNTS,
    TF_IDF,
    VECTOR,
    WITHOUT_HISTORY,
    Difference,
    Report,
)
from offline.evaluation.slices import COLD_USERS, UNKNOWN_USERS
from offline.publishing.gate import RIVALS, comparison_of, refusal_of
from offline.report.findings import NAMES, Evidence, Finding, Weight, scored_ones
from offline.report.next_steps import cut_by_time, gain_ground, tell_apart
from offline.report.numbers import count, figure, interval, share, signed

MIN_USERS = 200
MAX_UNKNOWN_TARGETS = 0.2
TOO_GOOD = 0.9
TOO_GOOD_FACTOR = 5.0  # times the best baseline
TOO_GOOD_FROM = 0.05  # a metric below it may well be many times a baseline's
MAX_BEHIND = 0.05  # as a share of a baseline's metric: that much it may be behind at worst, and still be as good
MANY_UNKNOWN = 0.5
KNOW_THE_QUERY = frozenset({TF_IDF, QUERY_COUNTS, QUERY_AND_USER})


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
        elif high < 0 and _is_made_of_words(evidence, name):
            sentence = f"It is below {other}, which queries of items' own words favour: {_lead(report, metric, lift)}."
            yield Finding(Weight.NOTE, sentence)
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
            if _is_made_of_words(evidence, name):
                continue
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
    if users is not None and users < MIN_USERS and evidence.document.dataset.task != OWN_WORDS:
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
    if not users or not unknown or document.dataset.task in QUERY_TASKS:
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
    if metric is None or document.dataset.task == OWN_WORDS:  # an item's own words may well find it each time
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


def _is_made_of_words(evidence: Evidence, name: str) -> bool:
    """Whether a part of the bundle itself is compared by queries that hold nothing but an item's own words."""
    return evidence.document.dataset.task == OWN_WORDS and name in evidence.document.variants


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
