"""How much a ranker learns from where its seconds are bounded: measured on a few lists, before the many."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from offline.workspace.budget import Allowance

PROBE_LISTS: Final = 128
_LISTS_SHARE: Final = 0.6  # of what is left, for candidates and their features


@dataclass(frozen=True)
class FitBounds:
    """How long a ranker is fitted."""

    epochs: int
    in_folds: bool  # whether every fold is held out once, else one


def lists_within(allowance: Allowance, lists: int, make: Callable[[int], object]) -> int:
    """How many of the lists there is time for, at least `PROBE_LISTS` of them.

    Args:
        allowance: for lists and fits.
        lists: that there are.
        make: makes so many of them; it is called for the measurement.
    """
    if allowance.seconds is None or lists <= PROBE_LISTS:
        return lists
    most_s = _LISTS_SHARE * allowance.left()
    began = allowance.now()
    make(PROBE_LISTS)
    a_list_s = (allowance.now() - began) / PROBE_LISTS
    return min(lists, max(PROBE_LISTS, int((most_s - PROBE_LISTS * a_list_s) / max(a_list_s, 1e-9))))


def fit_bounds(allowance: Allowance, epochs: int, fits: int, fit_once: Callable[[], object]) -> FitBounds:
    """The epochs that there is time for, and whether there is time for several fits.

    Args:
        allowance: for all fits.
        epochs: of one fit.
        fits: one a fold, and one of all lists; 1 where no more are wanted.
        fit_once: fits for one epoch; it is called for the measurement.
    """
    if allowance.seconds is None:
        return FitBounds(epochs, fits > 1)
    began = allowance.now()
    fit_once()
    epoch_s = allowance.now() - began
    if allowance.fits(epoch_s * epochs * fits):
        return FitBounds(epochs, fits > 1)
    return FitBounds(max(1, min(epochs, int(allowance.left() / max(epoch_s, 1e-9)))), in_folds=False)
