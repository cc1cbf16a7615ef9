"""What is popular at the cut: events by kind, each worth less with age."""

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

    Without clock times every event counts in full.
    """
    worth = np.zeros(max(_WORTH) + 1)
    worth[list(_WORTH)] = list(_WORTH.values())
    weights = worth[histories.types]
    timed = np.isfinite(histories.times)
    if timed.any():
        newest, oldest = histories.times[timed].max(), histories.times[timed].min()
        half_life = max(_HALF_LIFE_SHARE * (newest - oldest), 1.0)
        weights = weights * np.where(timed, 0.5 ** ((newest - histories.times) / half_life), 0.0)
    totals = np.bincount(histories.rows, weights=weights, minlength=rows)
    return np.asarray(totals / max(float(totals.max(initial=0.0)), 1e-12), dtype=np.float32)
