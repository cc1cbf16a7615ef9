"""Query parameters as the fields of a request: lists are repeated, or separated by commas."""

from typing import Any

from starlette.datastructures import QueryParams


def fields_of(parameters: QueryParams, lists: frozenset[str]) -> dict[str, Any]:
    """The value of each parameter; of one that is no list, the last.

    Args:
        parameters: of the request.
        lists: the names of those that are lists.
    """
    return {
        name: _split(parameters.getlist(name)) if name in lists else parameters.getlist(name)[-1] for name in parameters
    }


def _split(values: list[str]) -> list[str]:
    return [part for value in values for part in value.split(",") if part]
