"""What 'now' is for a bundle."""

import math
import time
from collections.abc import Callable
from typing import Literal


def clock_of(kind: Literal["wall", "bundle"], cut: float | None) -> Callable[[], float]:
    """A function that tells 'now' in unix seconds.

    Args:
        kind: `wall` reads the machine's clock; `bundle` stands at `cut` when made and goes on from there.
        cut: the newest event that the bundle knows; `None` for a bundle without times, whose 'now' is NaN.
    """
    if cut is None:
        return lambda: math.nan
    if kind == "wall":
        return time.time
    offset = cut - time.monotonic()
    return lambda: offset + time.monotonic()
