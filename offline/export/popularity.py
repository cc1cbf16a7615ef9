"""What is popular at the cut: the people who did something, by kind, each worth less with age.

One person counts once an item, however often they came back: one who views a thing thousands of times makes it no more
popular than one who views it once.
"""

import numpy as np
from numpy.typing import NDArray

from app.artifact.behaviours import CART, PURCHASE, VIEW
from offline.dataset.histories import Histories

_WORTH = {VIEW: 1.0, CART: 2.0, PURCHASE: 4.0}
"""A cart says more than a view, and a purchase more than a cart; the order is what matters."""
_HALF_LIFE_SHARE = 0.1
"""Of the time that the log spans: a tenth, so that what was in fashion when it began no longer leads."""


def popularity(histories: Histories, rows: int) -> NDArray[np.float32]:
    """Popularity of every item row, the most popular one 1: `[rows]`, 0 for items without an event.

    Of one user's events on an item the one that is worth most counts. Without clock times every event counts in full.
    """
    worth = np.zeros(max(_WORTH) + 1)
    worth[list(_WORTH)] = list(_WORTH.values())
    weights = worth[histories.types]
    timed = np.isfinite(histories.times)
    if timed.any():
        newest, oldest = histories.times[timed].max(), histories.times[timed].min()
        half_life = max(_HALF_LIFE_SHARE * (newest - oldest), 1.0)
        weights = weights * np.where(timed, 0.5 ** ((newest - histories.times) / half_life), 0.0)
    keys = _pairs(histories, rows)
    order = np.argsort(keys, kind="stable")
    first = np.flatnonzero(np.diff(keys[order], prepend=-1))
    best = np.maximum.reduceat(weights[order], first) if len(first) else weights
    totals = np.bincount(histories.rows[order[first]], weights=best, minlength=rows)
    return np.asarray(totals / max(float(totals.max(initial=0.0)), 1e-12), dtype=np.float32)


def user_counts(histories: Histories, rows: int, behaviour: int) -> NDArray[np.float32]:
    """How many users did something of that behaviour with each item, `[rows]`."""
    keys = np.unique(_pairs(histories, rows)[histories.types == behaviour])
    return np.bincount(keys % rows, minlength=rows).astype(np.float32)


def _pairs(histories: Histories, rows: int) -> NDArray[np.int64]:
    """A number for the user and the item of each event."""
    user = np.repeat(np.arange(len(histories), dtype=np.int64), histories.lengths)
    return user * rows + histories.rows
