"""Whether to publish, by rules that each say their reason in a sentence.

`do not publish` is what the gate of `publish` refuses, and nothing else; what else is amiss asks for a closer look.
"""

from collections.abc import Callable, Iterator

from offline.report.figure_rules import (
    against_kin,
    against_popularity,
    cold_users,
    elsewhere,
    scored,
    too_good,
    without_history,
)
from offline.report.findings import Decision, Evidence, Finding, Verdict, Weight
from offline.report.run_rules import bounded, calibrated, compressed, current, drifted, robots, rows_read, trained


def verdict_of(evidence: Evidence) -> Verdict:
    """Every rule's finding, and what they come to."""
    findings = [finding for rule in _RULES for finding in rule(evidence)]
    weights = {finding.weight for finding in findings}
    decision = Decision.REFUSE if Weight.BAD in weights else Decision.LOOK if Weight.LOOK in weights else None
    order = (Weight.BAD, Weight.LOOK, Weight.GOOD, Weight.NOTE)
    return Verdict(decision or Decision.PUBLISH, sorted(findings, key=lambda finding: order.index(finding.weight)))


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
