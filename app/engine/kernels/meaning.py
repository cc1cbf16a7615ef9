"""Cosines of one query with all rows of a table, by whole-number products."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.engine.kernels.library import address, contiguous, library

LARGEST_WIDTH: Final = 1_024
"""Numbers of a vector up to which the sums of NumPy's products, in float32, are whole in any order."""
_ROWS_AT_ONCE: Final = 8_192


def cosines_of_rows(
    vectors: NDArray[np.int8], scales: NDArray[np.float32], query: NDArray[np.int8], unit: np.float32
) -> NDArray[np.float32]:
    """Cosines `[rows]` of a query with the vectors of a table: product times `unit` times scale.

    Args:
        vectors: `[rows, width]`.
        scales: `[rows]`, what a unit of each vector is.
        query: `[width]`, none below -127.
        unit: of the query.

    Raises:
        IndexError: the arrays have other shapes, or vectors are wider than `LARGEST_WIDTH`.
    """
    rows, width = vectors.shape
    if len(scales) != rows or len(query) != width or width > LARGEST_WIDTH:
        raise IndexError(
            f"expected {rows} scales and a query of {width} numbers, {LARGEST_WIDTH} at most, got {len(scales)} and "
            f"{len(query)}"
        )
    compiled = library()
    if compiled is None:
        return numpy_cosines_of_rows(vectors, scales, query, unit)
    vectors, scales = contiguous(vectors, np.int8), contiguous(scales, np.float32)
    query = contiguous(query, np.int8)
    cosines = np.empty(rows, dtype=np.float32)
    compiled.cosines_of_rows(
        address(vectors), address(scales), rows, width, address(query), float(unit), address(cosines)
    )
    return cosines


def numpy_cosines_of_rows(
    vectors: NDArray[np.int8], scales: NDArray[np.float32], query: NDArray[np.int8], unit: np.float32
) -> NDArray[np.float32]:
    """As `cosines_of_rows`, by NumPy."""
    factors = query.astype(np.float32)
    cosines = np.empty(len(vectors), dtype=np.float32)
    for start in range(0, len(vectors), _ROWS_AT_ONCE):
        end = start + _ROWS_AT_ONCE
        products: NDArray[np.float32] = vectors[start:end].astype(np.float32) @ factors
        cosines[start:end] = products * np.float32(unit) * scales[start:end]
    return cosines
