"""Values as they go over the wire: times, and query parameters as the fields of a request."""

import math
from datetime import UTC, datetime
from typing import Any

from starlette.datastructures import QueryParams


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


def fields_of(parameters: QueryParams, lists: frozenset[str]) -> dict[str, Any]:
    """The value of each parameter: of a list all, repeated or separated by commas; of any other the last.

    Args:
        parameters: the query of the request.
        lists: names of the parameters that are lists.
    """
    return {
        name: _split(parameters.getlist(name)) if name in lists else parameters.getlist(name)[-1] for name in parameters
    }


def _split(values: list[str]) -> list[str]:
    return [part for value in values for part in value.split(",") if part]
