"""Diversity: a list whose items differ, by maximal marginal relevance over item vectors.

Carbonell and Goldstein, The use of MMR, diversity-based reranking (SIGIR 1998), equation 1: the next item is the one
with the largest `(1 - d) relevance - d (largest cosine with those chosen)`.

Greedy choices guarantee nothing about the whole list: a larger `d` may end in a list of more similar items. So the
lists of all `d` up to the requested one are made at once, and the one with the largest mean distance is best: more
diversity never makes a list less diverse.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.engine.kernels.diversity import diverse_order

STEP: Final = 0.05
"""The step between the values of `d` that are tried."""
AMONG: Final = 200
"""Items at the head of a list that are reordered; the others keep their order."""


def diversified(
    scores: NDArray[np.float64], codes: NDArray[np.int8], answered: int, diversity: float
) -> NDArray[np.int64]:
    """The positions of a list in their new order, `[n]`.

    Args:
        scores: `[n]`, best first.
        codes: `[n, dim]`, the items' vectors in whole numbers, of any length.
        answered: items at the head whose mean distance is to grow with `diversity`.
        diversity: 0 to 1; 0 keeps the order.
    """
    count = len(scores)
    steps = round(diversity / STEP)
    answered = min(answered, count)
    if steps == 0 or answered < 2:
        return np.arange(count)
    spread = scores.max() - scores.min()
    relevance = (scores - scores.min()) / spread if spread > 0 else np.zeros(count)
    return diverse_order(relevance, codes, answered, STEP * np.arange(steps + 1, dtype=np.float64))
