"""How sure a mean over users is: bootstrap intervals."""

import numpy as np
from numpy.typing import NDArray

ROUNDS = 1_000

_DRAWS_AT_ONCE = 4_000_000


def mean_intervals(values: NDArray[np.float64], rng: np.random.Generator, rounds: int = ROUNDS) -> NDArray[np.float64]:
    """95 % percentile bootstrap intervals of means over users (Efron and Tibshirani 1993, 13.3).

    One set of resamples serves all columns.

    Args:
        values: `[n, columns]`, at least one user.
        rng: source of the resamples.
        rounds: resamples.

    Returns:
        Lower and upper ends, `[columns, 2]`.
    """
    n = len(values)
    step = max(1, _DRAWS_AT_ONCE // n)
    means = np.empty((rounds, values.shape[1]))
    for start in range(0, rounds, step):
        lines = min(step, rounds - start)
        drawn = rng.integers(0, n, size=(lines, n)) + np.arange(lines)[:, None] * n
        times = np.bincount(drawn.ravel(), minlength=lines * n).reshape(lines, n)
        means[start : start + lines] = times @ values / n
    return np.percentile(means, (2.5, 97.5), axis=0).T


def cluster_intervals(
    values: NDArray[np.float64], clusters: NDArray[np.int64], rng: np.random.Generator, rounds: int = ROUNDS
) -> NDArray[np.float64]:
    """95 % percentile bootstrap intervals of means whose cases hang together: whole clusters are resampled.

    Args:
        values: `[n, columns]`.
        clusters: `[n]` the cluster of each case.
        rng: source of the resamples.
        rounds: resamples.

    Returns:
        Lower and upper ends, `[columns, 2]`.
    """
    _, place = np.unique(clusters, return_inverse=True)
    count = int(place.max()) + 1
    sums = np.zeros((count, values.shape[1]))
    np.add.at(sums, place, values)
    sizes = np.bincount(place, minlength=count).astype(np.float64)
    means = np.empty((rounds, values.shape[1]))
    step = max(1, _DRAWS_AT_ONCE // count)
    for start in range(0, rounds, step):
        lines = min(step, rounds - start)
        drawn = rng.integers(0, count, size=(lines, count)) + np.arange(lines)[:, None] * count
        times = np.bincount(drawn.ravel(), minlength=lines * count).reshape(lines, count)
        means[start : start + lines] = (times @ sums) / (times @ sizes)[:, None]
    return np.percentile(means, (2.5, 97.5), axis=0).T


def mean_interval(values: NDArray[np.float64], rng: np.random.Generator, rounds: int = ROUNDS) -> tuple[float, float]:
    """The interval of the mean of one column, `[n]`."""
    low, high = mean_intervals(values[:, None], rng, rounds)[0]
    return float(low), float(high)


def difference_interval(
    ours: NDArray[np.float64], theirs: NDArray[np.float64], rng: np.random.Generator, rounds: int = ROUNDS
) -> tuple[float, float]:
    """The interval of the mean difference ours - theirs of the same users, both `[n]`."""
    return mean_interval(ours - theirs, rng, rounds)
