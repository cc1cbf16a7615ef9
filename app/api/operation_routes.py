"""The calls of operators and load balancers: alive, ready, metrics."""

from functools import partial
from http import HTTPStatus
from typing import Final

from fastapi.responses import PlainTextResponse
from fastapi.routing import APIRoute
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response

from app.api.answers import json_response
from app.api.direct_route import DirectRoute
from app.api.schemas import Health
from app.errors import InvalidRequest
from app.serving.services import Services
from app.telemetry.metrics import Metrics

TAG: Final = "Operations"
_EXPOSITION: Final = 'aisle_requests_total{method="POST",route="/recommend",status="200"} 1024.0\n'


def operation_routes(services: Services, shared_port: int | None = None) -> list[APIRoute]:
    """`/livez`, `/readyz` and `/metrics`.

    Args:
        services: of this process.
        shared_port: at which other processes answer, too, so that no metrics are given there.
    """
    return [
        DirectRoute(
            "GET",
            "/livez",
            get_livez,
            answer=Health,
            example={"status": "alive", "model_version": None},
            summary="Alive",
            operation_id="get_livez",
            tags=[TAG],
        ),
        DirectRoute(
            "GET",
            "/readyz",
            partial(get_readyz, services),
            answer=Health,
            example={
                "status": "ready",
                "model_version": "2026-11-23T10-15-00-3f2a",
                "store": "redis",
                "store_available": True,
                "store_warnings": [],
                "refused": {},
                "parts_off": {"suggest": "the bundle does not have it; off is: completions in the search box"},
            },
            summary="Able to serve",
            operation_id="get_readyz",
            tags=[TAG],
        ),
        DirectRoute(
            "GET",
            "/metrics",
            partial(get_metrics, services.metrics, shared_port),
            summary="Metrics",
            operation_id="get_metrics",
            tags=[TAG],
            response_class=PlainTextResponse,
            responses={200: {"content": {"text/plain": {"example": _EXPOSITION}}}},
        ),
    ]


async def get_livez(_: Request) -> Response:
    """The process is alive: restart it when this does not answer."""
    return json_response({"status": "alive", "model_version": None})


async def get_readyz(services: Services, _: Request) -> Response:
    """A bundle is loaded, verified and warm: send traffic.

    Until then the connection is refused, since the service listens only once it is ready, or (with AISLE_WAIT) the
    answer is 503 with the reason; after SIGTERM it is 503. A store that is not available is no reason to send no
    traffic: answers are given without it.
    """
    document = {
        "status": "draining" if services.drain.begun else "ready",
        "model_version": services.recommender.release.version,
        "store": services.store.name,
        "store_available": not services.store.lagging,
        "store_warnings": list(services.store.warnings),
        "refused": services.follower.refused,
        "parts_off": services.recommender.release.snapshot.parts.off,
    }
    return json_response(document, HTTPStatus.SERVICE_UNAVAILABLE if services.drain.begun else HTTPStatus.OK)


async def get_metrics(metrics: Metrics, shared_port: int | None, http: Request) -> Response:
    """Metrics in the Prometheus text format.

    Of several processes behind one port, each gives its own at a port of its own, from the next one on.
    """
    if shared_port is not None and (http.scope.get("server") or ("", None))[1] == shared_port:
        raise InvalidRequest(
            f"several processes answer at port {shared_port}, and metrics are those of one: ask at the ports of their "
            "own, which are told when they start"
        )
    return Response(metrics.exposition(), media_type=CONTENT_TYPE_LATEST)
