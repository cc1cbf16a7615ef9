"""What a ranking shows to whom: how much of the catalogue, and how popular it is."""

import numpy as np
from numpy.typing import NDArray

from app.artifact.names import PADDING_ROW

COVERAGE_DEPTHS = (10, 20)
EXPOSURE_DEPTH = 10


def coverage(ranked: NDArray[np.integer], k: int, n_items: int) -> float:
    """The share of the catalogue's `n_items` that stands among the best `k` of anybody.

    Args:
        ranked: item rows, best first, 0 where there is none, `[n, depth]`.
        k: how deep to look.
        n_items: items of the catalogue, rows `1..n_items`.
    """
    items = np.unique(ranked[:, :k])
    return float((items != PADDING_ROW).sum() / max(n_items, 1))


def popularity_percentiles(counts: NDArray[np.integer]) -> NDArray[np.float64]:
    """For each item row the share of the catalogue with fewer events, half of those with as many counted in.

    The mean over the catalogue is 1/2; the single most popular item comes close to 1.

    Args:
        counts: events of each item row, `[items + 1]`; row 0 is no item and gets NaN.
    """
    percentiles = np.full(len(counts), np.nan)
    known = counts[PADDING_ROW + 1 :]
    if len(known):
        ordered = np.sort(known)
        fewer, upto = np.searchsorted(ordered, known, "left"), np.searchsorted(ordered, known, "right")
        percentiles[PADDING_ROW + 1 :] = (fewer + upto) / (2 * len(known))
    return percentiles


def mean_percentile(rows: NDArray[np.integer], percentiles: NDArray[np.float64]) -> float | None:
    """The mean of `percentiles` over item rows of any shape, 0 left out; None when nothing is left."""
    present = rows[rows != PADDING_ROW]
    return float(percentiles[present].mean()) if len(present) else None


def gini(exposures: NDArray[np.integer]) -> float:
    """The Gini coefficient of how often each item is shown: 0 when all are equally often, near 1 when one always is.

    Half the mean absolute difference over the mean (Gini 1912), by the sorted form.

    Args:
        exposures: times that each item of the catalogue is shown, `[items]`.
    """
    total, n = int(exposures.sum()), len(exposures)
    if not total:
        return 0.0
    places = 2 * np.arange(1, n + 1) - n - 1
    return float((places * np.sort(exposures)).sum() / (n * total))


def exposure_of(ranked: NDArray[np.integer], n_items: int, percentiles: NDArray[np.float64]) -> dict[str, float | None]:
    """Coverage, popularity and inequality of one ranking `[n, depth]`, by name."""
    top = ranked[:, :EXPOSURE_DEPTH]
    times = np.bincount(top.ravel(), minlength=n_items + 1)[1:]
    return {
        **{f"coverage@{k}": coverage(ranked, k, n_items) for k in COVERAGE_DEPTHS},
        f"popularity_percentile@{EXPOSURE_DEPTH}": mean_percentile(top, percentiles),
        f"gini@{EXPOSURE_DEPTH}": gini(times),
    }
