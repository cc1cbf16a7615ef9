"""Fewer dimensions for the teacher's vectors: those in which the catalogue's items differ."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

WIDTH: Final = 128
"""Numbers of a student's vector, where the teacher's has more."""


def projection_of(vectors: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    """The directions `[teacher's width, width]` that keep most of the items' vectors, at right angles to each other.

    The mean is left in them: cosines after the projection are to be those before it.

    Args:
        vectors: `[items, teacher's width]` of length 1; rows of zeros say nothing.
        width: numbers to keep; the teacher's own, where that has fewer.
    """
    moments = vectors.astype(np.float64).T @ vectors.astype(np.float64)
    _, directions = np.linalg.eigh(moments)
    kept = directions[:, ::-1][:, :width]
    signs = np.where(kept[np.abs(kept).argmax(axis=0), np.arange(kept.shape[1])] < 0, -1.0, 1.0)
    turned: NDArray[np.float32] = np.ascontiguousarray(kept * signs, dtype=np.float32)
    return turned


def projected(vectors: NDArray[np.float32], projection: NDArray[np.float32]) -> NDArray[np.float32]:
    """Vectors `[n, teacher's width]` in fewer dimensions, of length 1; zeros stay zeros."""
    return units(vectors @ projection)


def units(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows of length 1; zeros stay zeros."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: NDArray[np.float32] = (vectors / np.maximum(lengths, 1e-9)).astype(np.float32)
    return unit
