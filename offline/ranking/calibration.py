"""Calibrate predicted probabilities by isotonic regression."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from app.artifact.ranker_spec import Calibration

_POINTS = 200


def fit_calibration(raw: NDArray[np.float64], happened: NDArray[np.bool_]) -> Calibration:
    """The rising curve nearest to what happened (Zadrozny and Elkan, KDD 2002), thinned to at most `_POINTS` points."""
    order = np.argsort(raw, kind="stable")
    fitted = isotonic_regression(happened[order].astype(np.float64)).x
    thresholds = raw[order]
    starts = np.flatnonzero(np.diff(fitted, prepend=-1.0))
    ends = np.append(starts[1:], len(fitted)) - 1
    # The middle of every level, so that between two levels probabilities rise rather than jump.
    middles = (thresholds[starts] + thresholds[ends]) / 2
    levels = fitted[starts]
    if len(levels) > _POINTS:
        kept = np.unique(np.linspace(0, len(levels) - 1, _POINTS).round().astype(np.int64))
        middles, levels = middles[kept], levels[kept]
    return Calibration(raw=middles.tolist(), calibrated=levels.tolist())
