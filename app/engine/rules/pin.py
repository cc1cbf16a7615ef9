"""Pins: items at places of the list that a shop has chosen."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Pin:
    """An item at a place of the list, wherever the order would put it."""

    row: int
    position: int  # from 1


def pinned_places(count: int, positions: Sequence[int]) -> NDArray[np.int64]:
    """Where pins stand in a list of `count` places, `[pins]` from 0; those beyond the end stand at the end.

    Args:
        count: of the whole list, pins included; at least as many as there are pins.
        positions: ascending, distinct, from 1.
    """
    last = count - len(positions) + np.arange(len(positions), dtype=np.int64)
    return np.minimum(np.asarray(positions, dtype=np.int64) - 1, last)


def with_pins(
    rows: NDArray[np.int64], scores: NDArray[np.float64], pins: Sequence[Pin], pin_scores: Sequence[float]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """A list with pins at their places, and all others around them in their order.

    Args:
        rows: `[n]`, none of them pinned.
        scores: `[n]`.
        pins: in any order; of different rows and positions.
        pin_scores: of each pin.
    """
    order = sorted(range(len(pins)), key=lambda place: pins[place].position)
    count = len(rows) + len(pins)
    places = pinned_places(count, [pins[each].position for each in order])
    all_rows, all_scores = np.empty(count, dtype=np.int64), np.empty(count, dtype=np.float64)
    others = np.ones(count, dtype=np.bool_)
    others[places] = False
    all_rows[others], all_scores[others] = rows, scores
    all_rows[places] = [pins[each].row for each in order]
    all_scores[places] = [pin_scores[each] for each in order]
    return all_rows, all_scores
