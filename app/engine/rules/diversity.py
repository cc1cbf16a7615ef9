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

STEP: Final = 0.05
"""The step between the values of `d` that are tried."""
AMONG: Final = 200
"""Items at the head of a list that are reordered; the others keep their order."""
_DECIMALS: Final = 9  # of distances that are compared; the order of a sum changes further ones


def diversified(
    scores: NDArray[np.float64], vectors: NDArray[np.float32], answered: int, diversity: float
) -> NDArray[np.int64]:
    """The positions of a list in their new order, `[n]`.

    Args:
        scores: `[n]`, best first.
        vectors: `[n, dim]`, of any length.
        answered: items at the head whose mean distance is to grow with `diversity`.
        diversity: 0 to 1; 0 keeps the order.
    """
    count = len(scores)
    steps = round(diversity / STEP)
    answered = min(answered, count)
    if steps == 0 or answered < 2:
        return np.arange(count)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    units = (vectors / np.maximum(lengths, 1e-9)).astype(np.float64)
    cosines = units @ units.T
    spread = scores.max() - scores.min()
    relevance = (scores - scores.min()) / spread if spread > 0 else np.zeros(count)
    shares = np.asarray(STEP * np.arange(steps + 1)[:, None], dtype=np.float64)
    worth = np.asarray((1.0 - shares) * relevance, dtype=np.float64)
    choice = _Choice(worth, shares, -np.ones((steps + 1, count)), cosines)
    heads = choice.next(answered)
    best = int(np.argmax(np.round(_mean_distances(units, heads), _DECIMALS)))
    return np.concatenate([heads[best], choice.only(best).next(count - answered)[0]])


class _Choice:
    """The items chosen so far, for several `d` side by side.

    Args:
        worth: `[d, n]` relevance times `1 - d`.
        shares: `[d, 1]`.
        nearest: `[d, n]` the largest cosine with those chosen.
        cosines: `[n, n]`.
    """

    def __init__(
        self,
        worth: NDArray[np.float64],
        shares: NDArray[np.float64],
        nearest: NDArray[np.float64],
        cosines: NDArray[np.float64],
    ) -> None:
        self._worth, self._shares, self._nearest, self._cosines = worth, shares, nearest, cosines
        self._lists = np.arange(len(worth))

    def next(self, count: int) -> NDArray[np.int64]:
        """The next `count` positions of each list, `[d, count]`."""
        chosen = np.empty((len(self._worth), count), dtype=np.int64)
        for position in range(count):
            best = np.argmax(self._worth - self._shares * self._nearest, axis=1)
            chosen[:, position] = best
            self._worth[self._lists, best] = -np.inf
            np.maximum(self._nearest, self._cosines[best], out=self._nearest)
        return chosen

    def only(self, index: int) -> "_Choice":
        """One of the lists, to be continued alone."""
        part = slice(index, index + 1)
        return _Choice(self._worth[part], self._shares[part], self._nearest[part], self._cosines)


def _mean_distances(units: NDArray[np.float64], lists: NDArray[np.int64]) -> NDArray[np.float64]:
    """The mean of `1 - cosine` over all pairs of each list, `[lists]`."""
    size = lists.shape[1]
    inside = np.zeros((len(lists), len(units)))
    inside[np.arange(len(lists))[:, None], lists] = 1.0
    sums = inside @ units
    pairs = (sums**2).sum(axis=1) - inside @ (units**2).sum(axis=1)  # each twice, without an item and itself
    return np.asarray(1.0 - pairs / (size * (size - 1)))
