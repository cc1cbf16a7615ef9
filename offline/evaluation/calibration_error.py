"""How true predicted probabilities are: reliability, calibration error, area under the curve."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 15


def reliability(predicted: NDArray[np.float64], happened: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Mean prediction beside the observed share, in `BINS` bins of as many candidates each, ascending."""
    order = np.argsort(predicted, kind="stable")
    return [
        {
            "predicted": float(predicted[part].mean()),
            "observed": float(happened[part].mean()),
            "count": len(part),
        }
        for part in np.array_split(order, BINS)
        if len(part)
    ]


def expected_calibration_error(bins: list[dict[str, Any]]) -> float:
    """The mean distance of prediction and observation over the bins of `reliability` (Naeini et al., AAAI 2015, eq. 1).

    Bins hold as many candidates each: with bins of the same width nearly all candidates, which are unlikely, would
    share the first.
    """
    total = sum(entry["count"] for entry in bins)
    return float(sum(entry["count"] * abs(entry["predicted"] - entry["observed"]) for entry in bins) / max(total, 1))


def area_under_curve(predicted: NDArray[np.float64], happened: NDArray[np.bool_]) -> float | None:
    """The chance that something that happened was rated above something that did not; ties count half."""
    positives = int(happened.sum())
    negatives = len(happened) - positives
    if not positives or not negatives:
        return None
    _, inverse, counts = np.unique(predicted, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    return float((ranks[inverse][happened].sum() - positives * (positives + 1) / 2) / (positives * negatives))
