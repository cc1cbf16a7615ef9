"""Calls of the contract that this version does not serve: they say so, where a 404 would look like a typo."""

from typing import Final

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from app.api.direct_route import DirectRoute
from app.errors import CallNotYet

CALLS_NOT_YET: Final = (
    ("POST", "/items/batch"),
    ("PUT", "/items/{item_id:path}"),
    ("PATCH", "/items/{item_id:path}"),
    ("DELETE", "/items/{item_id:path}"),
)


def not_yet_routes() -> list[APIRoute]:
    """Routes that refuse; they are no part of the OpenAPI document."""
    return [DirectRoute(method, path, _refuse, include_in_schema=False) for method, path in CALLS_NOT_YET]


async def _refuse(request: Request) -> Response:
    call = f"{request.method} {request.scope['route'].path_format}"
    raise CallNotYet(f"{call} is not served by this version yet; /docs lists the calls that are")
