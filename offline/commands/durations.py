"""Durations as people write them: 90, 90s, 10m, 1.5h."""

import re

from offline.errors import InputError

_DURATION = re.compile(r"^(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>s|m|min|h)?$")
_SECONDS = {None: 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def seconds_of(text: str) -> float:
    """Seconds.

    Raises:
        InputError: it is no duration, or not longer than nothing.
    """
    match = _DURATION.match(text.strip().lower())
    seconds = float(match["number"]) * _SECONDS[match["unit"]] if match else 0.0
    if seconds <= 0:
        raise InputError(f"expected a duration such as 90s, 10m or 1.5h, got {text!r}")
    return seconds
