"""Where a call that is alone is worked out: on the loop, while that is sure to be short, else in a thread.

To wake a thread on another core, and the loop again, takes some 200 microseconds, which is half of what a plain call
takes. Nobody else waits while a call is alone, and a thread that runs Python keeps the loop waiting, too.
"""

from collections.abc import Callable
from time import perf_counter
from typing import Final, TypeVar

from app.serving.lanes import Lane

SHORT_S: Final = 0.002
"""A run is short that takes no longer, in seconds: as long may the loop be kept from others."""
SHORT_US: Final = 1_500
"""Calls that cost more by their fields always go to a thread."""
IN_A_ROW: Final = 16
"""So many runs of a kind have to be short, one after another, before the loop takes one on."""
_KIND_US: Final = 500  # calls whose costs are as near are of one kind

ResultT = TypeVar("ResultT")


class LoneRuns:
    """Runs of single calls, by what they cost; only the loop reads and writes it."""

    def __init__(self) -> None:
        self._short_in_a_row = [0] * (SHORT_US // _KIND_US)

    async def run(self, lane: Lane, cost: float, work: Callable[[], ResultT]) -> ResultT:
        """The outcome of `work` for one call that costs so many microseconds beyond a plain one.

        Raises:
            Exception: whatever `work` raised.
        """
        if cost >= SHORT_US:
            return await lane.run(work)
        kind, spent = int(cost) // _KIND_US, SHORT_S

        def timed() -> ResultT:
            nonlocal spent
            start = perf_counter()
            outcome = work()
            spent = perf_counter() - start
            return outcome

        is_short = self._short_in_a_row[kind] >= IN_A_ROW and lane.is_idle
        try:
            return timed() if is_short else await lane.run(timed)
        finally:  # one that failed counts as a long one
            self._short_in_a_row[kind] = self._short_in_a_row[kind] + 1 if spent < SHORT_S else 0
