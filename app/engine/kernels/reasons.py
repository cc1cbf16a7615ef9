"""The weights of reasons in whole units, the heaviest first."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.engine.kernels.library import address, contiguous, library


@dataclass(frozen=True, eq=False)
class OrderedWeights:
    """Of each item the parts that are told; what lies behind its count says nothing."""

    places: NDArray[np.int64]  # [n, parts]
    units: NDArray[np.float64]  # [n, parts] whole numbers
    counts: NDArray[np.int64]  # [n]
    totals: NDArray[np.float64]  # [n] of all units


def ordered_weights(weights: NDArray[np.float64], kept: NDArray[np.bool_] | None) -> OrderedWeights:
    """Round the weights `[parts, n]` of items and order them by their size, the earlier part first of equal ones.

    Args:
        weights: in units of the last digit that is shown, each below 2^51.
        kept: `[parts, n]`, what is told although it is 0; None for nothing.
    """
    compiled = library()
    if compiled is None:
        return numpy_ordered_weights(weights, kept)
    weights = contiguous(weights, np.float64)
    kept = None if kept is None else contiguous(kept, np.bool_)
    if kept is not None and kept.shape != weights.shape:
        raise IndexError(f"expected marks of {weights.shape}, got {kept.shape}")
    parts, count = weights.shape
    ordered = OrderedWeights(
        np.empty((count, parts), dtype=np.int64),
        np.empty((count, parts), dtype=np.float64),
        np.empty(count, dtype=np.int64),
        np.empty(count, dtype=np.float64),
    )
    compiled.ordered_weights(
        *(address(weights), None if kept is None else address(kept), parts, count),
        *(address(ordered.places), address(ordered.units), address(ordered.counts), address(ordered.totals)),
    )
    return ordered


def numpy_ordered_weights(weights: NDArray[np.float64], kept: NDArray[np.bool_] | None) -> OrderedWeights:
    """As `ordered_weights`, by NumPy."""
    units = np.rint(weights)
    is_told = units != 0 if kept is None else (units != 0) | kept
    order = np.lexsort((-np.abs(units), ~is_told), axis=0)
    return OrderedWeights(
        np.ascontiguousarray(order.T),
        np.ascontiguousarray(np.take_along_axis(units, order, axis=0).T),
        is_told.sum(axis=0),
        units.sum(axis=0),
    )
