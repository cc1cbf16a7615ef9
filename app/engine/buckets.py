"""Shapes that a device is asked in: few, so that its memory does not grow with every new one."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

LARGEST_BATCH: Final = 64
"""Requests in one run; a larger batch takes several."""
_LEAST_EXCLUDED: Final = 16


def batch_bucket(size: int) -> int:
    """The power of two that holds `size` requests, at most `LARGEST_BATCH`.

    Args:
        size: 1 to `LARGEST_BATCH`.
    """
    if not 1 <= size <= LARGEST_BATCH:
        raise ValueError(f"expected 1 to {LARGEST_BATCH} requests in one run, came {size}")
    return 1 << (size - 1).bit_length()


def excluded_bucket(width: int) -> int:
    """A power of four that holds lists of `width` excluded rows, at least 16."""
    bucket = _LEAST_EXCLUDED
    while bucket < width:
        bucket *= 4
    return bucket


def padded(values: NDArray[Any], *shape: int) -> NDArray[Any]:
    """A copy of the given shape with `values` in its first places, and zeros behind."""
    if values.shape == shape:
        return np.ascontiguousarray(values)
    wide = np.zeros(shape, dtype=values.dtype)
    wide[tuple(slice(0, size) for size in values.shape)] = values
    return wide
