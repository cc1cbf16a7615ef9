"""Calibrate predicted probabilities by isotonic regression on levels that enough cases stand for."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from app.artifact.ranker_spec import Calibration

FOLDS: Final = 5
LEAST_CASES: Final = 100  # of a level
LEAST_POSITIVES: Final = 20  # of a level that is not wide
LEAST_LISTS: Final = 10  # that the cases of a level come from: those of one user stand or fall together
_WIDE: Final = 100  # a level of this part of all cases may hold any number of positives
_POINTS: Final = 200
_ROUNDS: Final = 8


def fit_calibration(
    raw: NDArray[np.float64], happened: NDArray[np.bool_], lists: NDArray[np.int64] | None = None
) -> Calibration:
    """A rising curve on whose levels a behaviour comes as often as it is said to.

    Levels are cut from the highest prediction down, each with `LEAST_CASES` cases of `LEAST_LISTS` lists and
    `LEAST_POSITIVES` positives (or a hundredth of all cases): the curve of single cases ends at 1, since the highest
    few have happened by chance. Shares that do not rise are joined (isotonic regression: Zadrozny and Elkan, KDD 2002).
    Between levels the curve is linear, from 0 at 0; within the highest it is flat.

    Args:
        raw: predicted probabilities, `[n]`.
        happened: what came of them, `[n]`.
        lists: the list that each case is a candidate of, `[n]`; by default each is of its own.
    """
    order = np.argsort(raw, kind="stable")
    raw, came = raw[order], happened[order].astype(np.float64)
    starts = _starts(raw, came, np.arange(len(raw)) if lists is None else lists[order])
    sizes = np.diff(starts, append=len(raw)).astype(np.float64)
    blocks = isotonic_regression(np.add.reduceat(came, starts) / sizes, weights=sizes).blocks[:-1]
    if len(blocks) > _POINTS:
        blocks = blocks[np.unique(np.linspace(0, len(blocks) - 1, _POINTS).round().astype(np.int64))]
    starts = starts[blocks]
    sizes = np.diff(starts, append=len(raw)).astype(np.float64)
    observed, middles = np.add.reduceat(came, starts) / sizes, np.add.reduceat(raw, starts) / sizes
    middles[-1] = raw[starts[-1]]  # flat: the highest few shall not be promised more than all of the level have kept
    heights = observed
    for _ in range(
        _ROUNDS
    ):  # the mean over a level of lines to its neighbours is not its height: shift that until it is
        said = np.add.reduceat(np.interp(raw, [0.0, *middles], [0.0, *heights]), starts) / sizes
        heights = np.maximum.accumulate(np.clip(heights * observed / np.maximum(said, 1e-12), 0.0, 1.0))
    return Calibration(raw=[0.0, *middles.tolist()], calibrated=[0.0, *heights.tolist()])


def cross_calibrated(
    raw: NDArray[np.float64], happened: NDArray[np.bool_], lists: NDArray[np.int64], seed: int
) -> NDArray[np.float64]:
    """Probabilities `[n, links]`, each by curves that were fitted to other lists: what curves are worth to new users.

    Args:
        raw: predicted probabilities, `[n, links]`.
        happened: what came of them, `[n, links]`.
        lists: the list that each case is a candidate of, `[n]`.
        seed: of the draw of lists.
    """
    numbers, place = np.unique(lists, return_inverse=True)
    fold = np.random.default_rng([seed, 13]).permutation(len(numbers))[place] % FOLDS
    calibrated = np.zeros_like(raw)
    for held in range(FOLDS):
        inside, rest = fold == held, fold != held
        if not inside.any() or not rest.any():
            continue
        for link in range(raw.shape[1]):
            curve = fit_calibration(raw[rest, link], happened[rest, link], lists[rest])
            calibrated[inside, link] = np.interp(raw[inside, link], curve.raw, curve.calibrated)
    return np.minimum.accumulate(calibrated, axis=1)


def _starts(raw: NDArray[np.float64], came: NDArray[np.float64], lists: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where the levels of cases in rising order begin, the first at 0; equal predictions are in the same level."""
    before = np.concatenate([[0.0], np.cumsum(came)])  # positives in front of each case
    wide = max(LEAST_CASES, len(raw) // _WIDE)
    starts = []
    end = len(raw)
    while end > 0:
        with_positives = int(np.searchsorted(before, before[end] - LEAST_POSITIVES, side="right")) - 1
        start = min(end - LEAST_CASES, max(with_positives, end - wide))
        while start > 0 and len(np.unique(lists[start:end])) < LEAST_LISTS:
            start -= end - start
        start = int(np.searchsorted(raw, raw[max(start, 0)], side="left"))
        if start < LEAST_CASES:
            start = 0
        starts.append(start)
        end = start
    return np.array(starts[::-1], dtype=np.int64)
