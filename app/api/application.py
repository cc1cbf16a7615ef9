"""The ASGI application around one service: routes, problem documents, and what surrounds every request.

It is Starlette's: of FastAPI it takes what makes the OpenAPI document from the routes. FastAPI's own application runs
every request through layers for dependencies and files, of which there are none here.
"""

from importlib.metadata import version
from typing import Final

from fastapi.routing import APIRoute
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from app.api.answers import json_response
from app.api.direct_route import DirectRoute
from app.api.item_routes import item_routes
from app.api.middleware import BodyLimit, Surroundings
from app.api.not_yet_routes import not_yet_routes
from app.api.openapi import document_of
from app.api.operation_routes import operation_routes
from app.api.page_routes import demo_routes, docs_routes
from app.api.problems import PROBLEM_HANDLERS
from app.api.recommend_call import Limits
from app.api.recommend_routes import recommend_routes
from app.serving.service import RecommendService
from app.telemetry.metrics import Metrics

_DESCRIPTION: Final = """Recommendations for a storefront, in milliseconds.

Unknown fields are refused. Errors are RFC 9457 problem documents with a stable `code`. Every answer carries
`X-Request-ID` (the caller's own, if it sent one) and `Server-Timing` with the stages. A field that this version does
not serve yet is answered 422 `not_yet`, a whole call 501 `not_yet`."""


def make_application(
    service: RecommendService, metrics: Metrics, *, limits: Limits, max_body_bytes: int, page: bool
) -> Starlette:
    """The application that answers from `service`.

    Args:
        service: with its bundle loaded.
        metrics: told of every request, and shown at `/metrics`.
        limits: the longest lists of a request.
        max_body_bytes: the largest body of a request.
        page: whether the demo is there.
    """
    routes = [  # the first that matches answers, so the busiest call stands first
        *recommend_routes(service, limits),
        *item_routes(service),
        *operation_routes(service, metrics),
        *(demo_routes(service.snapshot) if page else []),
    ]
    app = Starlette(
        routes=[*routes, *docs_routes(), _openapi_route(routes), *not_yet_routes()],
        middleware=[Middleware(Surroundings, metrics=metrics), Middleware(BodyLimit, max_bytes=max_body_bytes)],
        exception_handlers=PROBLEM_HANDLERS,
    )
    app.router.redirect_slashes = False  # an address is right or it is not there
    return app


def _openapi_route(routes: list[APIRoute]) -> APIRoute:
    document = document_of("Aisle", version("aisle"), _DESCRIPTION, routes)

    async def get_openapi(_: Request) -> Response:
        return json_response(document)

    return DirectRoute("GET", "/openapi.json", get_openapi, include_in_schema=False)
