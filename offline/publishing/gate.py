"""The gate: the rules that the figures of a bundle must meet before it is published."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from app.artifact.manifest import Manifest
from app.artifact.published_model import Figures, Forced
from offline.errors import PublishRefused
from offline.evaluation.document import ITEM_KNN, POPULARITY, VECTOR, EvaluationDocument, Report

MAX_DROP = 0.05
"""Largest loss against the served version, as a share of its value."""


RIVALS = {
    POPULARITY: POPULARITY,
    ITEM_KNN: "item-kNN",
    VECTOR: "the same bundle without its ranker",
}
"""The rankings that a bundle must not be surely worse than, and what they are called."""


@dataclass(frozen=True)
class Comparison:
    """How far a bundle is ahead of a rival in the first metric of the data set."""

    rival: str  # of `RIVALS`
    metric: str
    low: float  # of the 95 % interval of the difference
    high: float


def comparison_of(report: Report, rival: str = POPULARITY) -> Comparison | None:
    """Return how the bundle compares with a rival under one mask; None when it was never compared."""
    metric = report.first_metric
    lift = report.lift(rival, metric)
    return None if metric is None or lift is None else Comparison(rival, metric, *lift.ci95)


def refusals_of(report: Report) -> Iterator[str]:
    """Say of each rival that the bundle is surely worse than why that speaks against publishing."""
    for rival in RIVALS:
        refusal = refusal_of(comparison_of(report, rival))
        if refusal is not None:
            yield refusal


def figures_of(document: EvaluationDocument) -> Figures | None:
    """Return the first metric of an evaluation, and what it was measured on; None when there is none."""
    dataset, report = document.dataset, document.first_report
    metric = report.first_metric
    ends = None if metric is None else report.means.ci95.get(metric)
    if metric is None or ends is None or not report.mask:
        return None
    if dataset.name is None or dataset.part is None or dataset.how is None:
        return None
    return Figures(
        dataset=dataset.name,
        part=dataset.part,
        how=dataset.how,
        mask=report.mask,
        metric=metric,
        value=report.means.metrics[metric],
        low=ends[0],
        high=ends[1],
    )


def drop_of(now: Figures | None, before: Figures | None, max_drop: float) -> str | None:
    """Say why the figures of the served version speak against publishing; None when they do not.

    The two were measured on different events, so that only a drop of more than `max_drop` (a share of the value before)
    counts, and only when the intervals do not overlap. Figures of another data set, cut, mask or metric say nothing.
    """
    values = {"value", "low", "high"}
    if now is None or before is None or now.model_dump(exclude=values) != before.model_dump(exclude=values):
        return None
    if now.value >= before.value * (1 - max_drop) or now.high >= before.low:
        return None
    return (
        f"its {now.metric} is {now.value:.4f} [{now.low:.4f}, {now.high:.4f}], and that of the version served now "
        f"{before.value:.4f} [{before.low:.4f}, {before.high:.4f}]: {1 - now.value / before.value:.1%} less, where "
        f"{max_drop:.1%} may be (--max-drop)"
    )


def refusal_of(comparison: Comparison | None) -> str | None:
    """Say why the comparison speaks against publishing; None when it does not."""
    if comparison is None or comparison.high >= 0:
        return None
    return (
        f"its {comparison.metric} is below that of {RIVALS[comparison.rival]}: the difference lies between "
        f"{comparison.low:+.4f} and {comparison.high:+.4f} (95 % interval)"
    )


def warning_of(manifest: Manifest) -> str | None:
    """Return a warning for a bundle that was not compared with the baseline; None when it was."""
    document = EvaluationDocument.of(manifest.metrics)
    if comparison_of(document.first_report) is not None:
        return None
    if document.baselines:
        return (
            f"warning: {_named(manifest)} was evaluated without {POPULARITY} beside it: look at its figures, since "
            "publishing does not"
        )
    return f"warning: {_named(manifest)} was never compared with {POPULARITY}: evaluate it to know what it is worth"


def _named(manifest: Manifest) -> str:
    """The version, with the one that its figures are of where that is another."""
    measured_as = "" if manifest.measured_as is None else f" (measured as {manifest.measured_as})"
    return f"{manifest.version}{measured_as}"


def pass_gate(
    manifest: Manifest,
    reason: str | None,
    by: str,
    now: datetime,
    before: Figures | None = None,
    max_drop: float = MAX_DROP,
) -> Forced | None:
    """Return when the bundle may be published: None when its figures allow it, else the record of who forced it.

    Raises:
        PublishRefused: the figures speak against it, and no `reason` is given to publish it all the same.
    """
    document = EvaluationDocument.of(manifest.metrics)
    refusal = "; ".join(refusals_of(document.first_report)) or drop_of(figures_of(document), before, max_drop)
    if refusal is None:
        return None
    if not reason:
        raise PublishRefused(
            f"{_named(manifest)} is not published: {refusal}. Look at its data and train again, or publish it all the "
            "same with --force REASON, which is written down with your name"
        )
    return Forced(by=by, reason=reason, refusal=refusal, at=now.isoformat(timespec="seconds"))
