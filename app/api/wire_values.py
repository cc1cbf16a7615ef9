"""Values as they go over the wire: times, and query parameters as the fields of a request."""

import math
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.types import Scope

from app.errors import InvalidRequest

HAS_LEFT: Final = "aisle.has_left"
"""By which a scope has, while a request is answered, what tells whether its client is gone."""
MAX_PARAMETERS: Final = 100
"""Query parameters of one call, a repeated one counted each time."""


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


def check_encoding(scope: Scope) -> None:
    """Refuse an address whose percent signs stand for bytes that are no UTF-8.

    They would be read as the one replacement character, so that ids that differ in them would be the same.

    Raises:
        InvalidRequest: it has such bytes.
    """
    for part in (scope.get("raw_path") or b"", scope["query_string"]):
        if b"%" in part:
            try:
                unquote_to_bytes(part).decode()
            except UnicodeDecodeError as error:
                raise InvalidRequest(
                    "the address: expected UTF-8 behind its percent signs, got other bytes: encode ids as UTF-8"
                ) from error


def has_left_of(request: Request) -> Callable[[], Awaitable[bool]]:
    """What tells whether nobody waits for the answer to a request any more: the server's word, where it gives it."""
    of_server: Callable[[], Awaitable[bool]] | None = request.scope.get(HAS_LEFT)
    return request.is_disconnected if of_server is None else of_server


def path_of(scope: Scope) -> str:
    """What the routes are matched against: the path below the one that the application is mounted at."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    return path[len(root) :] if root and path.startswith(f"{root}/") else path


def fields_of(parameters: QueryParams, lists: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The value of each parameter: of a list all, repeated or separated by commas; of any other the last.

    Args:
        parameters: the query of the request.
        lists: names of the parameters that are lists.

    Raises:
        InvalidRequest: there are more than `MAX_PARAMETERS`.
    """
    pairs = parameters.multi_items()
    if len(pairs) > MAX_PARAMETERS:
        raise InvalidRequest(f"at most {MAX_PARAMETERS} query parameters, got {len(pairs)}: send fewer, or a body")
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name in lists:
            fields.setdefault(name, []).extend(part for part in value.split(",") if part)
        else:
            fields[name] = value
    return fields
