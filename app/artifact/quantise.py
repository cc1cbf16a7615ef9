"""Item vectors as int8 with one scale a row: what is stored, gathered for events, and multiplied in the graph."""

import numpy as np
from numpy.typing import NDArray


def quantise_rows(vectors: NDArray[np.float32], bits: int = 8) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Symmetric quantisation of each row on its own.

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


def dequantise_rows(vectors: NDArray[np.int8], scales: NDArray[np.float32]) -> NDArray[np.float32]:
    """The inverse of `quantise_rows`, for any leading shape: `[..., dim]` and `[...]`."""
    return vectors.astype(np.float32) * scales[..., None]
