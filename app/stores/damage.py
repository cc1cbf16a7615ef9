"""Values in the store that are no records: each counts as none, for its user alone, and is logged and counted."""

import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

EVERY_S: Final = 10.0
"""Seconds between two log lines about one kind of value."""

log = logging.getLogger(__name__)


class DamageLog:
    """Notes damaged values; one line a kind in ten seconds, with how many there were since the last.

    Args:
        clock: tells seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._waiting: Counter[str] = Counter()  # noted since the last line, by kind
        self._last_lines: dict[str, float] = {}  # when the last line was written, by kind
        self.listeners: list[Callable[[str, int], None]] = []  # get the kind and the number of each note

    def note(self, kind: str, number: int = 1, about: str | None = None) -> None:
        """Note damaged values of a kind; `about` names a person by hash or a key, for the log."""
        if number <= 0:
            return
        for tell in self.listeners:
            tell(kind, number)
        self._waiting[kind] += number
        now = self._clock()
        if now - self._last_lines.get(kind, -EVERY_S) >= EVERY_S:
            self._last_lines[kind] = now
            log.warning(
                "a stored value is damaged and counts as none",
                extra={"value": kind, "number": self._waiting.pop(kind), "about": about},
            )
