"""Calls of the contract that a later version serves: they say so, and are no part of the OpenAPI document."""

from typing import Final

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from app.api.direct_route import DirectRoute
from app.errors import CallNotYet

CALLS_NOT_YET: Final = tuple(
    (method, path)
    for name in ("synonyms", "rules", "placements", "experiments")
    for method, path in (("GET", f"/{name}"), ("PUT", f"/{name}/{{id:id}}"), ("DELETE", f"/{name}/{{id:id}}"))
)


def later_routes() -> list[APIRoute]:
    """The calls that this version refuses."""
    return [DirectRoute(method, path, _refuse, include_in_schema=False) for method, path in CALLS_NOT_YET]


async def _refuse(request: Request) -> Response:
    call = f"{request.method} {request.scope['route'].path_format}"
    raise CallNotYet(f"{call} is not served by this version yet; /docs lists the calls that are")
