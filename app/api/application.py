"""The ASGI application around one service: routes, problem documents, and what surrounds every request.

It is Starlette's: of FastAPI it takes what makes the OpenAPI document from the routes. FastAPI's own application runs
every request through layers for dependencies and files, of which there are none here.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

from fastapi.routing import APIRoute
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from app.api.answers import json_response
from app.api.demo_routes import demo_routes, docs_routes
from app.api.direct_route import DirectRoute
from app.api.event_routes import event_routes
from app.api.item_routes import item_routes, not_yet_routes
from app.api.keys import KeyCheck, Keyring
from app.api.middleware import BodyLimit, Surroundings
from app.api.model_routes import model_routes
from app.api.openapi import document_of
from app.api.operation_routes import operation_routes
from app.api.predict_routes import predict_routes
from app.api.problems import PROBLEM_HANDLERS
from app.api.rate_limit import RateLimit
from app.api.recommend_parsing import Limits
from app.api.recommend_routes import recommend_routes
from app.api.suggest_routes import suggest_routes
from app.api.user_routes import user_routes
from app.serving.impressions import Shown
from app.serving.services import Parts

_DESCRIPTION: Final = """Recommendations for a storefront, in milliseconds.

Unknown fields are refused. Errors are RFC 9457 problem documents with a stable `code`. Every answer carries
`X-Request-ID` (the caller's own, if it sent one) and `Server-Timing` with the stages. A field that this version does
not serve yet is answered 422 `not_yet`, a whole call 501 `not_yet`."""


@dataclass(frozen=True)
class HttpOptions:
    """What an operator decides about the HTTP side."""

    limits: Limits
    max_body_bytes: int = 1_048_576
    max_event_rows: int = 1_000
    page: bool = True  # whether the demo is there
    read_keys: Sequence[str] = ()
    admin_keys: Sequence[str] = ()
    rate_per_key: float = 0.0  # requests a second; 0 is no limit


def make_application(parts: Parts, options: HttpOptions) -> Starlette:
    """The application that answers from `parts`, whose background work lives as long as it does.

    Raises:
        SettingsError: a key cannot be one.
    """
    service = parts.service
    shown = Shown(parts.impressions, parts.online)
    routes = [  # the first that matches answers, so the busiest call stands first
        *recommend_routes(service, shown, options.limits),
        *suggest_routes(service),
        *predict_routes(parts.predictor, service, options.limits),
        *event_routes(
            parts.intake,
            parts.store,
            options.max_event_rows,
            parts.metrics,
            lambda: service.release.snapshot.manifest.event_types,
        ),
        *item_routes(service, shown),
        *user_routes(parts.people, parts.item_ids_of),
        *model_routes(service, parts.follower),
        *operation_routes(service, parts.follower, parts.store, parts.drain, parts.metrics),
        *(demo_routes(service) if options.page else []),
    ]
    app = Starlette(
        routes=[*routes, *docs_routes(), _openapi_route(routes), *not_yet_routes()],
        middleware=[
            Middleware(Surroundings, metrics=parts.metrics),
            Middleware(
                KeyCheck,
                keyring=Keyring(options.read_keys, options.admin_keys),
                rate=RateLimit(options.rate_per_key, time.monotonic),
            ),
            Middleware(BodyLimit, max_bytes=options.max_body_bytes),
        ],
        exception_handlers=PROBLEM_HANDLERS,
        lifespan=lambda _: parts.running(),
    )
    app.router.redirect_slashes = False  # an address is right or it is not there
    return app


def _openapi_route(routes: list[APIRoute]) -> APIRoute:
    document = document_of("Aisle", version("aisle"), _DESCRIPTION, routes)

    async def get_openapi(_: Request) -> Response:
        return json_response(document)

    return DirectRoute("GET", "/openapi.json", get_openapi, include_in_schema=False)
