"""The ASGI application around one process's services: routes, problem documents and middleware.

It is Starlette's: of FastAPI it takes what makes the OpenAPI document from the routes. FastAPI's own application runs
every request through layers for dependencies and files, of which there are none here.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Final

from fastapi.routing import APIRoute
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from app.api.answers import json_response
from app.api.batch_parsing import BatchLimits
from app.api.catalogue_routes import BATCH_PATH, catalogue_routes
from app.api.demo_routes import demo_routes, docs_routes
from app.api.direct_route import DirectRoute, ShortWay
from app.api.event_routes import event_routes
from app.api.item_routes import item_routes
from app.api.keys import KeyCheckMiddleware, Keyring
from app.api.later_routes import later_routes
from app.api.limits import describe_limits
from app.api.middleware import BodyLimitMiddleware, ProblemMiddleware, RequestTelemetryMiddleware
from app.api.model_routes import model_routes
from app.api.openapi import openapi_document
from app.api.operation_routes import operation_routes
from app.api.origins import OwnMachineMiddleware
from app.api.predict_routes import predict_routes
from app.api.problems import PROBLEM_HANDLERS
from app.api.rate_limit import RateLimit
from app.api.recommend_parsing import Limits
from app.api.recommend_routes import recommend_routes
from app.api.suggest_routes import suggest_routes
from app.api.user_routes import user_routes
from app.serving.services import Services

_DESCRIPTION: Final = """Recommendations for a storefront, in milliseconds.

Unknown fields are refused. Errors are RFC 9457 problem documents with a stable `code`. Every answer carries
`X-Request-ID` (the caller's own, if it sent one) and `Server-Timing` with the stages. What a call and a connection
may hold, and what becomes of more, is listed under `x-limits`."""


@dataclass(frozen=True)
class HttpOptions:
    """What an operator decides about the HTTP side."""

    limits: Limits
    max_body_bytes: int = 1_048_576
    max_event_rows: int = 1_000
    batches: BatchLimits = field(default_factory=BatchLimits)
    page: bool = True  # whether the demo is there
    read_keys: Sequence[str] = ()
    admin_keys: Sequence[str] = ()
    rate_per_key: float = 0.0  # requests a second; 0 is no limit
    hosts: Sequence[str] = ()  # names of a service without keys, beside those of its machine
    limit_values: Mapping[str, float] = field(default_factory=dict)  # by setting, for the table; else the defaults
    shared_port: int | None = None  # at which other processes answer, too


class _Service(Starlette):
    """Without Starlette's layer for defects, which `RequestTelemetryMiddleware` answers, and with a short way."""

    def build_middleware_stack(self) -> ASGIApp:
        """The layers around the routes, the outermost first in `user_middleware`."""
        app: ASGIApp = ProblemMiddleware(ShortWay(self.router), PROBLEM_HANDLERS)
        for layer, arguments, options in reversed(self.user_middleware):
            app = layer(app, *arguments, **options)
        return app


def make_application(services: Services, options: HttpOptions) -> Starlette:
    """The application that answers from `services`, whose background work lives as long as it does.

    Raises:
        SettingsError: a key cannot be one.
    """
    recommender, follower = services.recommender, services.follower
    routes = [  # the first that matches answers, so the busiest call stands first
        *recommend_routes(services, options.limits),
        *suggest_routes(services),
        *predict_routes(services, options.limits),
        *event_routes(
            services.events,
            services.store,
            options.max_event_rows,
            services.metrics,
            lambda: recommender.release.snapshot.manifest.event_types,
            recommender.lanes,
        ),
        *catalogue_routes(services, options.batches),
        *item_routes(services),
        *user_routes(services.users, services.item_ids_of),
        *model_routes(recommender, follower),
        *operation_routes(services, options.shared_port),
        *(demo_routes(services) if options.page else []),
    ]
    keyring = Keyring(options.read_keys, options.admin_keys)
    app = _Service(
        routes=[*routes, *docs_routes(), _openapi_route(routes, options.limit_values), *later_routes()],
        middleware=[
            Middleware(RequestTelemetryMiddleware, metrics=services.metrics),
            *([] if keyring.has_any else [Middleware(OwnMachineMiddleware, hosts=options.hosts)]),
            Middleware(
                KeyCheckMiddleware,
                keyring=keyring,
                rate=RateLimit(options.rate_per_key, time.monotonic),
            ),
            Middleware(
                BodyLimitMiddleware,
                max_bytes=options.max_body_bytes,
                max_bytes_of={BATCH_PATH: options.batches.body_bytes},
            ),
        ],
        lifespan=lambda _: services.running(),
    )
    app.router.redirect_slashes = False  # an address is right or it is not there
    return app


def _openapi_route(routes: list[APIRoute], limit_values: Mapping[str, float]) -> APIRoute:
    document = openapi_document("Aisle", version("aisle"), _DESCRIPTION, routes, describe_limits(limit_values))

    async def get_openapi(_: Request) -> Response:
        return json_response(document)

    return DirectRoute("GET", "/openapi.json", get_openapi, include_in_schema=False)
