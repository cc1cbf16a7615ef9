"""Means over the scored cases with their intervals, from tables of one value a case and metric."""

import numpy as np
from numpy.typing import NDArray

from offline.evaluation.document import Difference, Lifts, Means
from offline.evaluation.intervals import cluster_intervals, mean_intervals
from offline.evaluation.metrics import Metric


def means(
    metrics: list[Metric],
    values: NDArray[np.float64],
    rng: np.random.Generator,
    clusters: NDArray[np.int64] | None = None,
) -> Means:
    """The mean and the 95 % interval of each column.

    Args:
        metrics: one for each column.
        values: `[n, metrics]`.
        rng: source of the resamples.
        clusters: `[n]` the cluster of each case where whole clusters are resampled, rather than cases.
    """
    ends = mean_intervals(values, rng) if clusters is None else cluster_intervals(values, clusters, rng)
    names = [metric.name for metric in metrics]
    return Means(
        dict(zip(names, values.mean(axis=0).tolist(), strict=True)), dict(zip(names, ends.tolist(), strict=True))
    )


def means_of_all(
    metrics: list[Metric], tables: dict[str, NDArray[np.float64]], rng: np.random.Generator
) -> dict[str, Means]:
    """`means` of several tables of the same cases, each `[n, metrics]`, from one set of resamples."""
    values = np.concatenate(list(tables.values()), axis=1)
    averages, ends = values.mean(axis=0).tolist(), mean_intervals(values, rng).tolist()
    names = [metric.name for metric in metrics]
    figures = {}
    for index, table in enumerate(tables):
        columns = slice(index * len(names), (index + 1) * len(names))
        figures[table] = Means(
            dict(zip(names, averages[columns], strict=True)), dict(zip(names, ends[columns], strict=True))
        )
    return figures


def lifts_of(differences: Means) -> Lifts:
    """Means of differences as lifts, by metric."""
    return {name: Difference(value, differences.ci95[name]) for name, value in differences.metrics.items()}
