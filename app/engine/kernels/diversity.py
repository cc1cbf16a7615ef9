"""Lists whose items differ: greedy choices by relevance and nearness, for several shares of diversity side by side."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.engine.kernels.library import Library, address, contiguous, library

_DISTANCE_UNIT: Final = 1e9
"""Further decimals of a distance do not count."""


def diverse_order(
    relevance: NDArray[np.float64], codes: NDArray[np.int8], answered: int, shares: NDArray[np.float64]
) -> NDArray[np.int64]:
    """The positions of a list in their new order, `[n]`.

    The next item is the one with the largest `(1 - share) relevance - share (largest cosine with those before)`, the
    earlier one of equals. Of the shares the first is taken whose first items lie furthest apart on average.

    Args:
        relevance: `[n]`.
        codes: `[n, dim]` the directions of the items; zeros are at a right angle to all.
        answered: items at the head whose distances count; at least 2, at most `n`.
        shares: `[lists]`.
    """
    compiled = library()
    if compiled is None:
        return numpy_diverse_order(relevance, codes, answered, shares)
    return _compiled_order(compiled, relevance, codes, answered, shares)


def _compiled_order(
    compiled: Library,
    relevance: NDArray[np.float64],
    codes: NDArray[np.int8],
    answered: int,
    shares: NDArray[np.float64],
) -> NDArray[np.int64]:
    n, dim = codes.shape
    if len(relevance) != n or answered > n:
        raise IndexError(f"expected {n} relevances and at most as many answered, got {len(relevance)} and {answered}")
    lists = len(shares)
    order = np.empty(n, dtype=np.int64)
    scratch = np.empty(n * n + 2 * n + 2 * lists * n + lists * answered)
    read = contiguous(codes, np.int8), contiguous(relevance, np.float64), contiguous(shares, np.float64)
    compiled.diverse_order(
        n, dim, address(read[0]), address(read[1]), lists, address(read[2]), answered, address(order), address(scratch)
    )
    return order


def numpy_diverse_order(
    relevance: NDArray[np.float64], codes: NDArray[np.int8], answered: int, shares: NDArray[np.float64]
) -> NDArray[np.int64]:
    """As `diverse_order`, by NumPy."""
    cosines = _cosines(codes)
    choice = _Choice(relevance, shares[:, None], cosines)
    heads = choice.next(answered)
    distances = 1.0 - choice.together / (answered * (answered - 1) / 2.0)
    best = int(np.argmax((distances * _DISTANCE_UNIT + 0.5).astype(np.int64)))
    return np.concatenate([heads[best], choice.only(best).next(len(relevance) - answered)[0]])


def _cosines(codes: NDArray[np.int8]) -> NDArray[np.float64]:
    """`[n, n]`; products of whole numbers are exact in any order."""
    numbers = codes.astype(np.float64)
    products = numbers @ numbers.T
    lengths = np.sqrt(np.diagonal(products))
    inverses = np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    return np.asarray(products * (inverses[:, None] * inverses))


class _Choice:
    """The items chosen so far, for several shares side by side.

    Args:
        relevance: `[n]`.
        shares: `[lists, 1]`.
        cosines: `[n, n]`.
    """

    def __init__(
        self, relevance: NDArray[np.float64], shares: NDArray[np.float64], cosines: NDArray[np.float64]
    ) -> None:
        self._worth = np.asarray((1.0 - shares) * relevance, dtype=np.float64)
        self._shares, self._cosines = shares, cosines
        self._nearest = -np.ones_like(self._worth)  # the largest cosine with those chosen
        self._sums = np.zeros_like(self._worth)  # of the cosines with those chosen
        self.together = np.zeros(len(shares))  # sums of the cosines of all pairs of those chosen

    def next(self, count: int) -> NDArray[np.int64]:
        """The next `count` positions of each list, `[lists, count]`."""
        lists = np.arange(len(self._worth))
        chosen = np.empty((len(self._worth), count), dtype=np.int64)
        for position in range(count):
            best = np.argmax(self._worth - self._shares * self._nearest, axis=1)
            chosen[:, position] = best
            self.together += self._sums[lists, best]
            self._worth[lists, best] = -np.inf
            self._sums += self._cosines[best]
            np.maximum(self._nearest, self._cosines[best], out=self._nearest)
        return chosen

    def only(self, index: int) -> "_Choice":
        """One of the lists, to be continued alone."""
        part = slice(index, index + 1)
        alone = _Choice(np.zeros(0), self._shares[part], self._cosines)
        alone._worth, alone._nearest, alone._sums = self._worth[part], self._nearest[part], self._sums[part]
        return alone
