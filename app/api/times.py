"""Times as they go over the wire, and as unix seconds."""

import math
from datetime import UTC, datetime


def unix_of(time: datetime | None) -> float:
    """Unix seconds, NaN for no time; a time without a zone is UTC."""
    if time is None:
        return math.nan
    return (time if time.tzinfo is not None else time.replace(tzinfo=UTC)).timestamp()


def iso_of(time: float) -> str | None:
    """ISO 8601 in UTC, to the millisecond; `None` for NaN."""
    if math.isnan(time):
        return None
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
