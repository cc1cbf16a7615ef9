"""The best items of a search, from the products of queries with all items."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.artifact.names import PADDING_ROW
from app.engine.kernels.library import Library, address, contiguous, library

BestItems = tuple[NDArray[np.float32], NDArray[np.int64]]
"""Scores and rows `[batch, k]`, best first, the lower row first of equal ones; -inf and row 0 fill the end."""


@dataclass(frozen=True)
class Products:
    """The inner products of queries in whole numbers with all items; a score is product times unit times scale."""

    products: NDArray[np.int32]  # [batch, rows]
    units: NDArray[np.float32]  # [batch] of the queries' numbers
    scales: NDArray[np.float32]  # [rows]


def best_items(search: Products, k: int, allowed: NDArray[np.bool_], exclude_rows: NDArray[np.int64]) -> BestItems:
    """The `k` items with the best scores of each query.

    Args:
        k: at most the number of rows.
        allowed: `[1 or batch, rows]`, which items may be answered.
        exclude_rows: `[batch, excluded]` rows that must not be, padded with 0.
    """
    compiled = library()
    if compiled is None:
        return numpy_best_items(search, k, allowed, exclude_rows)
    return _compiled_best_items(compiled, search, k, allowed, exclude_rows)


def _compiled_best_items(
    compiled: Library, search: Products, k: int, allowed: NDArray[np.bool_], exclude_rows: NDArray[np.int64]
) -> BestItems:
    batch, rows = search.products.shape
    if allowed.shape[1] != rows or len(search.scales) < rows:
        raise IndexError(f"expected a mask and scales of {rows} rows, got {allowed.shape[1]} and {len(search.scales)}")
    allowed = allowed if allowed.strides[1] == 1 else np.ascontiguousarray(allowed)
    products, units = contiguous(search.products, np.int32), contiguous(search.units, np.float32)
    scales, exclude_rows = contiguous(search.scales, np.float32), contiguous(exclude_rows, np.int64)
    scores, best = np.empty((batch, k), dtype=np.float32), np.empty((batch, k), dtype=np.int64)
    excluded = exclude_rows.shape[1]
    scratch = np.empty(2 * rows + 2, dtype=np.uint64)
    mask = np.empty(rows if excluded else 0, dtype=np.uint8)
    compiled.best_of_products(
        batch,
        rows,
        *(address(array) for array in (products, units, scales, allowed)),
        0 if len(allowed) == 1 else allowed.strides[0],
        address(exclude_rows),
        excluded,
        k,
        *(address(array) for array in (scores, best, scratch, mask)),
    )
    return scores, best


def numpy_best_items(
    search: Products, k: int, allowed: NDArray[np.bool_], exclude_rows: NDArray[np.int64]
) -> BestItems:
    """As `best_items`, by NumPy."""
    scores = search.products.astype(np.float32) * search.units[:, None] * search.scales[: search.products.shape[1]]
    scores = np.where(allowed & ~np.isnan(scores), scores, np.float32(-np.inf))
    np.put_along_axis(scores, exclude_rows, np.float32(-np.inf), axis=1)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    best = np.take_along_axis(scores, order, axis=1)
    return best, np.where(best > -np.inf, order, PADDING_ROW)
