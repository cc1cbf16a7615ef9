"""Boosts: items that pass a filter are scored as if they were several times as likely, or as unlikely."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.engine.selection.filters import Filter

LARGEST_PRODUCT: Final = 1e9
"""Boosts together bring an item up by at most this factor, and bury it by as much: a score stays a number."""
LEAST_POPULARITY: Final = 1e-3
"""Beside that of the most popular item."""
_LARGEST_LOG: Final = math.log(LARGEST_PRODUCT)


@dataclass(frozen=True, slots=True)
class Boost:
    """Items that pass the filter are ranked as if they were `factor` times as likely."""

    filter: Filter
    factor: float  # above 0; below 1 buries


def boost_gains(
    scores: NDArray[np.float64], passes: Sequence[NDArray[np.bool_]], factors: Sequence[float], *, are_logits: bool
) -> NDArray[np.float64]:
    """What each boost adds to each score, `[boosts, n]`; the factors of several multiply, up to `LARGEST_PRODUCT`.

    The network's scores are logits under a softmax: `factor` times the probability is `ln(factor)` more. Popularity is
    not a logit, and is multiplied; what nobody has touched yet has the least one then, so that it can be brought up.

    Args:
        scores: `[n]`, before any boost.
        passes: of each boost, `[n]` whether an item passes its filter.
        are_logits: whether the scores are the network's.
    """
    added = np.zeros((len(factors), len(scores)))
    boosted = scores.astype(np.float64)
    logs = np.zeros(len(scores))  # of the products
    for inside, factor in zip(passes, factors, strict=True):
        logs += np.where(inside, np.log(factor), 0.0)
    share = np.minimum(1.0, _LARGEST_LOG / np.maximum(np.abs(logs), 1e-9))  # of each factor's logarithm that counts
    for index, (inside, factor) in enumerate(zip(passes, factors, strict=True)):
        counted = np.where(share < 1.0, factor**share, factor)
        gain = np.log(factor) * share if are_logits else np.maximum(boosted, LEAST_POPULARITY) * (counted - 1.0)
        added[index] = np.where(inside, gain, 0.0)
        boosted = boosted + added[index]
    return added


def boosted_order(
    scores: NDArray[np.float64], passes: Sequence[NDArray[np.bool_]], factors: Sequence[float]
) -> NDArray[np.int64]:
    """The positions of a list, best first, by boosted scores.

    Equal scores, as those of items without events, are ordered by their boosts, then by position.

    Args:
        scores: `[n]`, boosted.
        passes: of each boost, `[n]` whether an item passes its filter.
    """
    logs = np.zeros(len(scores))
    for inside, factor in zip(passes, factors, strict=True):
        logs += np.where(inside, np.log(factor), 0.0)
    return np.lexsort((-logs, -scores))
