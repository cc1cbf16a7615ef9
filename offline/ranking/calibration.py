"""Probabilities made true: isotonic regression, and how far off they are."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from app.artifact.ranker_spec import Calibration

BINS = 15
_POINTS = 200


def fit_calibration(raw: NDArray[np.float64], happened: NDArray[np.bool_]) -> Calibration:
    """The rising curve nearest to what happened (Zadrozny and Elkan, KDD 2002), thinned to at most `_POINTS` points."""
    order = np.argsort(raw, kind="stable")
    fitted = isotonic_regression(happened[order].astype(np.float64)).x
    at = raw[order]
    starts = np.flatnonzero(np.diff(fitted, prepend=-1.0))
    ends = np.append(starts[1:], len(fitted)) - 1
    # The middle of every level, so that between two levels probabilities rise rather than jump.
    middles = (at[starts] + at[ends]) / 2
    levels = fitted[starts]
    if len(levels) > _POINTS:
        kept = np.unique(np.linspace(0, len(levels) - 1, _POINTS).round().astype(np.int64))
        middles, levels = middles[kept], levels[kept]
    return Calibration(raw=middles.tolist(), calibrated=levels.tolist())


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
