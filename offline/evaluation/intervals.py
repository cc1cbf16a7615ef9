"""How sure a mean over users is: bootstrap intervals."""

from collections.abc import Iterator

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
    means = np.concatenate([times @ values / n for times in _draws(n, rng, rounds)])
    return _ends(means)


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
    _, cluster_index = np.unique(clusters, return_inverse=True)
    sums, sizes = _by_cluster(values, cluster_index, int(cluster_index.max()) + 1)
    means = np.concatenate([(times @ sums) / (times @ sizes)[:, None] for times in _draws(len(sizes), rng, rounds)])
    return _ends(means)


def cluster_difference_intervals(
    ours: NDArray[np.float64],
    our_clusters: NDArray[np.int64],
    theirs: NDArray[np.float64],
    their_clusters: NDArray[np.int64],
    rng: np.random.Generator,
    rounds: int = ROUNDS,
) -> NDArray[np.float64]:
    """95 % percentile bootstrap intervals of the difference of two means, ours - theirs, of different cases.

    Whole clusters are resampled, each with its cases on both sides.

    Args:
        ours: `[n, columns]`.
        our_clusters: `[n]` the cluster of each case; the same number is the same cluster on both sides.
        theirs: `[m, columns]`.
        their_clusters: `[m]`.
        rng: source of the resamples.
        rounds: resamples; those without a case on one side do not count.

    Returns:
        Lower and upper ends, `[columns, 2]`; NaN where no resample has cases on both sides.
    """
    _, cluster_index = np.unique(np.concatenate([our_clusters, their_clusters]), return_inverse=True)
    count = int(cluster_index.max()) + 1
    sides = [
        _by_cluster(ours, cluster_index[: len(ours)], count),
        _by_cluster(theirs, cluster_index[len(ours) :], count),
    ]
    differences = []
    for times in _draws(count, rng, rounds):
        cases = [times @ sizes for _, sizes in sides]
        whole = (cases[0] > 0) & (cases[1] > 0)
        our_mean, their_mean = (
            (times[whole] @ sums) / cases[side][whole, None] for side, (sums, _) in enumerate(sides)
        )
        differences.append(our_mean - their_mean)
    resampled = np.concatenate(differences)
    if not len(resampled):
        return np.full((ours.shape[1], 2), np.nan)
    return _ends(resampled)


def _ends(means: NDArray[np.float64]) -> NDArray[np.float64]:
    ends: NDArray[np.float64] = np.percentile(means, (2.5, 97.5), axis=0).T
    return ends


def _by_cluster(
    values: NDArray[np.float64], cluster_index: NDArray[np.int64], count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums `[count, columns]` and cases `[count]` of each cluster."""
    sums = np.zeros((count, values.shape[1]))
    np.add.at(sums, cluster_index, values)
    return sums, np.bincount(cluster_index, minlength=count).astype(np.float64)


def _draws(count: int, rng: np.random.Generator, rounds: int) -> Iterator[NDArray[np.int64]]:
    """How often each of so many was drawn, `[lines, count]`, a line a resample, as many at once as fit."""
    step = max(1, _DRAWS_AT_ONCE // count)
    for start in range(0, rounds, step):
        lines = min(step, rounds - start)
        draws = rng.integers(0, count, size=(lines, count)) + np.arange(lines)[:, None] * count
        yield np.bincount(draws.ravel(), minlength=lines * count).reshape(lines, count)


def mean_interval(values: NDArray[np.float64], rng: np.random.Generator, rounds: int = ROUNDS) -> tuple[float, float]:
    """The interval of the mean of one column, `[n]`."""
    low, high = mean_intervals(values[:, None], rng, rounds)[0]
    return float(low), float(high)


def difference_interval(
    ours: NDArray[np.float64], theirs: NDArray[np.float64], rng: np.random.Generator, rounds: int = ROUNDS
) -> tuple[float, float]:
    """The interval of the mean difference ours - theirs of the same users, both `[n]`."""
    return mean_interval(ours - theirs, rng, rounds)
