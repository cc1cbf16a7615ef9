"""What must be true of a bundle's figures before it is published."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.artifact.manifest import Manifest
from app.artifact.models import Forced
from app.errors import PublishRefused

BASELINE = "popularity"


@dataclass(frozen=True)
class Comparison:
    """By how much a bundle is better than the baseline, in the set's first metric."""

    metric: str
    low: float  # of the 95 % interval of the difference
    high: float


def comparison_of(metrics: dict[str, Any]) -> Comparison | None:
    """What the evaluation in a manifest says; `None` when the bundle was never compared."""
    reports = metrics.get("reports") or [{}]
    metric = next(iter(reports[0].get("metrics", {})), None)
    lift = reports[0].get(f"lift_over_{BASELINE}", {}).get(metric)
    return None if metric is None or lift is None else Comparison(metric, *lift["ci95"])


def refusal_of(comparison: Comparison | None) -> str | None:
    """What speaks against publishing, in words; `None` when nothing does."""
    if comparison is None or comparison.high >= 0:
        return None
    return (
        f"its {comparison.metric} is below that of {BASELINE}: the difference lies between {comparison.low:+.4f} and "
        f"{comparison.high:+.4f} (95 % interval)"
    )


def warning_of(manifest: Manifest) -> str | None:
    """What to tell people of a bundle that nothing is known against; `None` when it was compared."""
    if comparison_of(manifest.metrics) is not None:
        return None
    if manifest.metrics.get("baselines"):
        return (
            f"warning: {manifest.version} was evaluated without {BASELINE} beside it: look at its figures, since "
            "publishing does not"
        )
    return f"warning: {manifest.version} was never compared with {BASELINE}: evaluate it to know what it is worth"


def pass_gate(manifest: Manifest, reason: str | None, by: str, at: datetime) -> Forced | None:
    """Return when the bundle may be published; who took it upon themselves when its figures speak against it.

    Raises:
        PublishRefused: they do, and there is no `reason` to publish it all the same.
    """
    refusal = refusal_of(comparison_of(manifest.metrics))
    if refusal is None:
        return None
    if not reason:
        raise PublishRefused(
            f"{manifest.version} is not published: {refusal}. Look at its data and train again, or publish it all the "
            "same with --force REASON, which is written down with your name"
        )
    return Forced(by=by, reason=reason, refusal=refusal, at=at.isoformat(timespec="seconds"))
