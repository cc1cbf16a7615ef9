"""Means over users with their intervals, in the form in which the document holds them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from offline.evaluation.intervals import mean_intervals
from offline.evaluation.metrics import Metric

Figures = dict[str, Any]


def means(metrics: list[Metric], values: NDArray[np.float64], rng: np.random.Generator) -> Figures:
    """`metrics` and their `ci95`, by name: mean and 95 % interval of each column of `values`, `[n, metrics]`."""
    found, ends = values.mean(axis=0).tolist(), mean_intervals(values, rng).tolist()
    names = [metric.name for metric in metrics]
    return {"metrics": dict(zip(names, found, strict=True)), "ci95": dict(zip(names, ends, strict=True))}


def means_of_all(
    metrics: list[Metric], tables: dict[str, NDArray[np.float64]], rng: np.random.Generator
) -> dict[str, Figures]:
    """`means` of several tables of the same users, each `[n, metrics]`, from one set of resamples."""
    values = np.concatenate(list(tables.values()), axis=1)
    found, ends = values.mean(axis=0).tolist(), mean_intervals(values, rng).tolist()
    names = [metric.name for metric in metrics]
    figures = {}
    for place, name in enumerate(tables):
        here = slice(place * len(names), (place + 1) * len(names))
        figures[name] = {
            "metrics": dict(zip(names, found[here], strict=True)),
            "ci95": dict(zip(names, ends[here], strict=True)),
        }
    return figures


def flat(figures: Figures) -> Figures:
    """The form that baselines have: each metric by name, and beside them `ci95`."""
    return {**figures["metrics"], "ci95": figures["ci95"]}


def differences(
    metrics: list[Metric], ours: NDArray[np.float64], theirs: NDArray[np.float64], rng: np.random.Generator
) -> Figures:
    """For each metric the `difference` ours - theirs of the same users, both `[n, metrics]`, and its `ci95`."""
    return lifts(means(metrics, ours - theirs, rng))


def lifts(figures: Figures) -> Figures:
    """The means of differences, by metric."""
    return {name: {"difference": value, "ci95": figures["ci95"][name]} for name, value in figures["metrics"].items()}
