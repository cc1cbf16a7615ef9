"""How true predicted probabilities are: reliability, calibration error, area under the curve."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 15
MAX_ECE = 0.05
MAX_ERROR = 0.1
MAX_RATIO_ERROR = 1 / 3
_TENTHS = 10
_LEAST_CASES = 100  # of a tenth that is judged by itself


@dataclass(frozen=True)
class CalibrationFigures:
    """How far probabilities are from what came."""

    ece: float
    max_error: float | None  # in the worst tenth of the scale from 0 to 1 that holds enough cases
    ratio: float | None  # what was said by what came, over all cases; None where nothing came
    calibrated: bool


def calibration_figures(
    predicted: NDArray[np.float64], happened: NDArray[np.bool_], lists: NDArray[np.int64]
) -> CalibrationFigures:
    """How far probabilities are from what came, and whether they may be taken at their word.

    They may where the error is at most `MAX_ECE` on average, at most `MAX_ERROR` in every tenth of the scale with
    `_LEAST_CASES` cases, and as many come as are said, but for `MAX_RATIO_ERROR` of them and chance (two standard
    errors over lists): where a behaviour is rare, the first two could not fail.

    Args:
        predicted: probabilities, `[n]`.
        happened: what came of them, `[n]`.
        lists: the list that each case is a candidate of, `[n]`.
    """
    ece = expected_calibration_error(reliability(predicted, happened))
    tenth = np.minimum((predicted * _TENTHS).astype(np.int64), _TENTHS - 1)
    counts = np.bincount(tenth, minlength=_TENTHS)
    gaps = np.abs(np.bincount(tenth, weights=predicted - happened, minlength=_TENTHS))[counts >= _LEAST_CASES]
    max_error = float((gaps / counts[counts >= _LEAST_CASES]).max()) if len(gaps) else None
    came = float(happened.sum())
    _, place = np.unique(lists, return_inverse=True)
    by_list = np.bincount(place, weights=predicted - happened)
    chance = 2 * float(by_list.std()) * np.sqrt(len(by_list))
    as_many = abs(float(by_list.sum())) <= MAX_RATIO_ERROR * came + chance
    return CalibrationFigures(
        ece=ece,
        max_error=max_error,
        ratio=float(predicted.sum()) / came if came else None,
        calibrated=bool(ece <= MAX_ECE and (max_error is None or max_error <= MAX_ERROR) and as_many),
    )


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
