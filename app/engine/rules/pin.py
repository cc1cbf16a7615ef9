"""Pins: items at positions of the list that a shop chooses."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Pin:
    """An item at a position of the list, whatever its score."""

    row: int
    position: int  # from 1


def pinned_positions(count: int, positions: Sequence[int]) -> NDArray[np.int64]:
    """The positions of pins in a list of `count` items, `[pins]` from 0; those past the end are moved to the end.

    Args:
        count: length of the list, pins included; at least the number of pins.
        positions: ascending, distinct, from 1.
    """
    last = count - len(positions) + np.arange(len(positions), dtype=np.int64)
    return np.minimum(np.asarray(positions, dtype=np.int64) - 1, last)


def with_pins(
    rows: NDArray[np.int64], scores: NDArray[np.float64], pins: Sequence[Pin], pin_scores: Sequence[float]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """A list with pins at their positions, and all other items around them in their order.

    Args:
        rows: `[n]`, none of them pinned.
        scores: `[n]`.
        pins: in any order; of different rows and positions.
        pin_scores: of each pin.
    """
    order = sorted(range(len(pins)), key=lambda index: pins[index].position)
    count = len(rows) + len(pins)
    positions = pinned_positions(count, [pins[index].position for index in order])
    all_rows, all_scores = np.empty(count, dtype=np.int64), np.empty(count, dtype=np.float64)
    others = np.ones(count, dtype=np.bool_)
    others[positions] = False
    all_rows[others], all_scores[others] = rows, scores
    all_rows[positions] = [pins[index].row for index in order]
    all_scores[positions] = [pin_scores[index] for index in order]
    return all_rows, all_scores
