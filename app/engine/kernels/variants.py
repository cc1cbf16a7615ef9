"""The events of one request, as they are and without those on one item each."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.artifact.names import PADDING_ROW
from app.engine.kernels.library import address, contiguous, library


@dataclass(frozen=True, eq=False)
class Variants:
    """Events of variants of one request, `[variants, window]` each, right-aligned, newest last; row 0 pads."""

    rows: NDArray[np.int32]
    types: NDArray[np.uint8]
    times: NDArray[np.float64]  # unix seconds, NaN where unknown
    log_minutes: NDArray[np.float32]  # since each event, their logarithms, 0 where unknown
    now: float


def variants_without(events: Variants, removed: NDArray[np.int64]) -> Variants:
    """The only variant of `events`, without the events on each of `removed`, `[variants]`; 0 leaves all of them in."""
    compiled = library()
    if compiled is None:
        return numpy_variants_without(events, removed)
    rows, types = contiguous(events.rows, np.int32), contiguous(events.types, np.uint8)
    times, log_minutes = contiguous(events.times, np.float64), contiguous(events.log_minutes, np.float32)
    removed, window = contiguous(removed, np.int64), rows.shape[1]
    shape = len(removed), window
    outcome = Variants(
        np.empty(shape, dtype=np.int32),
        np.empty(shape, dtype=np.uint8),
        np.empty(shape, dtype=np.float64),
        np.empty(shape, dtype=np.float32),
        events.now,
    )
    compiled.leave_out(
        *(address(rows), address(types), address(times), address(log_minutes), window, address(removed), len(removed)),
        *(address(outcome.rows), address(outcome.types), address(outcome.times), address(outcome.log_minutes)),
    )
    return outcome


def numpy_variants_without(events: Variants, removed: NDArray[np.int64]) -> Variants:
    """As `variants_without`, by NumPy."""
    rows = np.repeat(events.rows[:1], len(removed), axis=0)
    remains = (rows != PADDING_ROW) & (rows != removed[:, None])
    order = np.argsort(remains, axis=1, kind="stable")  # remaining events move to the right end, in their order
    is_past = np.arange(rows.shape[1]) < rows.shape[1] - remains.sum(axis=1)[:, None]
    return Variants(
        np.where(is_past, np.int32(PADDING_ROW), events.rows[0][order]),
        np.where(is_past, np.uint8(0), events.types[0][order]),
        np.where(is_past, np.nan, events.times[0][order]),
        np.where(is_past, np.float32(0), events.log_minutes[0][order]),
        events.now,
    )
