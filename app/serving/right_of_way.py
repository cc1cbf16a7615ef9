"""The right of way of calls: work that nobody waits for stands back while calls are worked out."""

from threading import Event
from time import perf_counter
from typing import Final

from app.engine.pause import Pause

PATIENCE_S: Final = 0.006
"""Seconds that a piece of work stands back at most, in all."""


class RightOfWay:
    """Of the calls that the event loop answers, as a context manager around each; only the loop enters and leaves."""

    def __init__(self) -> None:
        self._calls = 0
        self._is_free = Event()
        self._is_free.set()

    def __enter__(self) -> None:
        self._calls += 1
        if self._calls == 1:
            self._is_free.clear()

    def __exit__(self, *error: object) -> None:
        self._calls -= 1
        if not self._calls:
            self._is_free.set()

    def pause(self, most_s: float = PATIENCE_S) -> Pause:
        """What a piece of work in a thread calls between its steps: it waits until no call is worked out.

        Args:
            most_s: seconds that it waits, all pauses together: where calls never end it goes on beside them.
        """
        left_s = most_s

        def wait() -> None:
            nonlocal left_s
            if left_s > 0 and not self._is_free.is_set():
                start = perf_counter()
                self._is_free.wait(left_s)
                left_s -= perf_counter() - start

        return wait
