"""How many items of a set have each value of a column."""

import numpy as np
from numpy.typing import NDArray

from app.engine.kernels.library import address, contiguous, library


def value_counts(items: NDArray[np.int32], offsets: NDArray[np.int64], mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """`[values]`, the number of items of the mask with each value.

    Args:
        items: `[pairs]` rows of the items with a value, one value behind the other.
        offsets: `[values + 1]` where the items of each value begin, ascending from 0.
        mask: `[rows]`.

    Raises:
        IndexError: an item is none of the mask's.
    """
    compiled = library()
    if compiled is None:
        return numpy_value_counts(items, offsets, mask)
    items, offsets = contiguous(items, np.int32), contiguous(offsets, np.int64)
    mask = contiguous(mask, np.bool_)
    counts = np.empty(max(0, len(offsets) - 1), dtype=np.int64)
    if len(counts) and offsets[-1] > len(items):
        raise IndexError(f"expected at most {len(items)} pairs, got {offsets[-1]}")
    if not compiled.count_values(
        address(items), address(offsets), len(counts), address(mask), len(mask), address(counts)
    ):
        raise IndexError(f"expected rows below {len(mask)}, got another")
    return counts


def numpy_value_counts(
    items: NDArray[np.int32], offsets: NDArray[np.int64], mask: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """As `value_counts`, by NumPy."""
    if len(offsets) < 2:
        return np.zeros(0, dtype=np.int64)
    cumulative = np.zeros(len(items) + 1, dtype=np.int32)
    np.cumsum(mask.take(items).view(np.int8), out=cumulative[1:], dtype=np.int32)
    return np.diff(cumulative[offsets]).astype(np.int64)
