"""Quantisation: item vectors as int8 with one scale a row, as they are stored and multiplied."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

_ROWS_AT_ONCE: Final = 65_536


def quantise_rows(vectors: NDArray[np.float32], bits: int = 8) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Quantise each row symmetrically, with a scale of its own.

    Args:
        vectors: `[rows, dim]`.
        bits: 8, or 7 for processors whose 8-bit products saturate (x86 without VNNI).

    Returns:
        int8 `[rows, dim]` and scales `[rows]` with `vectors ≈ int8 * scale`. A row of zeros has scale 0.
    """
    limit = 2 ** (bits - 1) - 1
    scales = np.abs(vectors).max(axis=1, initial=0.0).astype(np.float32) / limit
    safe = np.where(scales > 0, scales, 1.0)
    return np.rint(vectors / safe[:, None]).astype(np.int8), scales


def quantise_finely(vectors: NDArray[np.float32]) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
    """As `quantise_rows`, with 16 bits a number: for tables whose rows are summed before anything is quantised."""
    limit = 2**15 - 1
    scales = np.abs(vectors).max(axis=1, initial=0.0).astype(np.float32) / np.float32(limit)
    safe = np.where(scales > 0, scales, np.float32(1.0))
    return np.clip(np.rint(vectors / safe[:, None]), -limit, limit).astype(np.int16), scales


def half_matrix(
    vectors: NDArray[np.int8], scales: NDArray[np.float32]
) -> tuple[NDArray[np.float16], NDArray[np.float32]]:
    """Scaled vectors in half precision, in units of the largest number, so that none overflows.

    Args:
        vectors: `[rows, dim]`.
        scales: `[rows]`, of a score.

    Returns:
        `[rows, dim]` with numbers up to 1, and the unit `[1]`. Numbers under some 6e-5 of it lose precision.
    """
    largest = float((np.abs(vectors).max(axis=1, initial=0).astype(np.float32) * scales).max(initial=0.0))
    unit = np.array([largest if largest > 0 else 1.0], dtype=np.float32)
    matrix = np.empty(vectors.shape, dtype=np.float16)
    for start in range(0, len(vectors), _ROWS_AT_ONCE):  # a million rows at once would take gigabytes for a moment
        part = slice(start, start + _ROWS_AT_ONCE)
        matrix[part] = vectors[part] * (scales[part, None] / unit)
    return matrix, unit


def dequantise_rows(vectors: NDArray[np.int8], scales: NDArray[np.float32]) -> NDArray[np.float32]:
    """The inverse of `quantise_rows`, for any leading shape: `[..., dim]` and `[...]`."""
    return vectors.astype(np.float32) * scales[..., None]
