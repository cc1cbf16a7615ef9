"""Compare the last version with each one before it, and warn where there is too little data."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from offline.evaluation.intervals import cluster_difference_intervals

MIN_PEOPLE = 100  # with fewer, a bootstrap over people cannot be trusted
MIN_CLICKED = 30  # answers with a click; with fewer, a rate means little

AHEAD, BEHIND, OPEN = "ahead", "behind", "open"
"""Where the interval of a difference lies; `open` includes zero."""

_DECIMALS = 6
_WARNINGS = 3  # that are shown


def comparisons_of(
    answers: pl.DataFrame, versions: Sequence[dict[str, Any]], metrics: Sequence[str], seed: int
) -> list[dict[str, Any]]:
    """Return the difference of the last version's means and those of each earlier version, the latest of them first.

    Args:
        answers: one row an answer: `version`, `cluster`, and a column a metric.
        versions: name and times of each version, from the first to the last.
        metrics: the columns to compare.
        seed: draws the resamples of the intervals.
    """
    if len(versions) < 2:
        return []
    *before, last = versions
    return [_comparison(answers, last, other, metrics, seed) for other in reversed(before)]


def warnings_of(versions: Sequence[dict[str, Any]]) -> list[str]:
    """Return a sentence for each version whose figures rest on too little data."""
    warnings = []
    for version in versions:
        if version["clusters"] < MIN_PEOPLE or version["answers_with_click"] < MIN_CLICKED:
            people, clicked = version["clusters"], version["answers_with_click"]
            warnings.append(
                f"{version['version']}: {version['answers']} answers to {people} people, {clicked} with a click: too "
                f"few to tell; wait for {MIN_PEOPLE} people and {MIN_CLICKED} answers with a click."
            )
    return warnings


def notes_of(document: dict[str, Any]) -> list[str]:
    """Return sentences on what limits the figures of `evaluate_online`."""
    warnings, left = document["warnings"][-_WARNINGS:], len(document["warnings"]) - _WARNINGS
    notes: list[str] = [*warnings, *([f"The same holds for {left} versions before them."] if left > 0 else [])]
    if any(not comparison["together_s"] for comparison in document["comparisons"]):
        notes.append(
            "Versions that did not serve at the same time differ by season and visitors, too; only such that serve "
            "together, to visitors by chance, can be compared."
        )
    if not sum(document["events"].values()):
        notes.append("No event has a request_id: send the one of the answer that showed the item.")
    return notes


def _comparison(
    answers: pl.DataFrame, last: dict[str, Any], other: dict[str, Any], metrics: Sequence[str], seed: int
) -> dict[str, Any]:
    ours, theirs = (answers.filter(version=side["version"]) for side in (last, other))
    our_values, their_values = (side.select(metrics).to_numpy() for side in (ours, theirs))
    ends = cluster_difference_intervals(
        our_values,
        ours.get_column("cluster").to_numpy(),
        their_values,
        theirs.get_column("cluster").to_numpy(),
        np.random.default_rng(seed),
    )
    differences = our_values.mean(0) - their_values.mean(0)
    return {
        "version": last["version"],
        "than": other["version"],
        "together_s": round(max(0.0, min(last["to"], other["to"]) - max(last["from"], other["from"])), 3),
        "differences": {
            metric: _difference(float(difference), *map(float, bounds))
            for metric, difference, bounds in zip(metrics, differences, ends, strict=True)
        },
    }


def _difference(difference: float, low: float, high: float) -> dict[str, Any]:
    is_known = not np.isnan(low)
    said = AHEAD if is_known and low > 0 else BEHIND if is_known and high < 0 else OPEN
    ci95 = [round(low, _DECIMALS), round(high, _DECIMALS)] if is_known else None
    return {"difference": round(difference, _DECIMALS), "ci95": ci95, "said": said}
