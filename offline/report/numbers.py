"""Numbers as people read them: rounded to what they are worth, with their units, a dash where there is none."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

NONE = "–"

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


def is_number(value: Any) -> bool:
    """Whether it is one that can be shown and drawn."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def count(value: Any) -> str:
    """A whole number, thousands apart."""
    return f"{int(value):,}" if is_number(value) else NONE


def figure(value: Any) -> str:
    """A metric: four places."""
    return f"{value:.4f}" if is_number(value) else NONE


def signed(value: Any) -> str:
    """A difference of metrics."""
    return f"{value:+.4f}".replace("-", "−") if is_number(value) else NONE


def interval(ends: Sequence[Any] | None, *, plus: bool = False) -> str:
    """Both ends of an interval."""
    if ends is None or len(ends) != 2 or not all(map(is_number, ends)):
        return NONE
    return " to ".join(map(signed if plus else figure, ends))


def share(part: Any, whole: Any = 1) -> str:
    """A share in percent, with more places where it is small."""
    if not is_number(part) or not is_number(whole) or not whole:
        return NONE
    percent = 100 * part / whole
    if percent == 0:
        return "0 %"
    return f"{percent:.1f} %" if abs(percent) >= 1 else f"{percent:.2g} %"


def number(value: Any) -> str:
    """Anything else, to four significant places; large ones whole."""
    if not is_number(value):
        return NONE
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.4g}"


def duration(seconds: Any) -> str:
    """A span of time in its own unit."""
    if not is_number(seconds):
        return NONE
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    if seconds < 2 * _HOUR:
        return f"{seconds / _MINUTE:.1f} min"
    return f"{seconds / _HOUR:.1f} h" if seconds < 2 * _DAY else f"{seconds / _DAY:.1f} days"


def megabytes(value: Any) -> str:
    """Megabytes, of 10^6 bytes."""
    if not is_number(value):
        return NONE
    return f"{value:,.0f} MB" if value >= 100 else f"{value:,.1f} MB"


def moment(unix_s: Any) -> str:
    """A time of the clock, UTC, to the minute."""
    if not is_number(unix_s):
        return NONE
    try:
        return f"{datetime.fromtimestamp(unix_s, UTC):%Y-%m-%d %H:%M} UTC"
    except (OverflowError, OSError, ValueError):  # a clock that no calendar knows
        return number(unix_s)
