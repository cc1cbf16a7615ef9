"""The application of a service that listens before it has a bundle: alive, not ready, and 503 on every other call."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.answers import json_response
from app.api.middleware import RequestTelemetryMiddleware
from app.api.problems import PROBLEM_HANDLERS, problem_of
from app.errors import BundleError, BundleMissing, NotReady
from app.telemetry.metrics import Metrics
from app.telemetry.stages import trace_of

RETRY_REFUSED_S: Final = 30.0  # to refuse a bundle takes as long as to load it
LOADING: Final = "the bundle is being loaded"
READING: Final = "what was changed of the catalogue is being read"

log = logging.getLogger(__name__)


class StartupApplication:
    """ASGI application that answers 503 until `make` returns the real one, and hands every call to that one then.

    Args:
        make: makes the real application, in a thread; raises `BundleError` while there is nothing to serve.
        every_s: seconds between looks for a bundle.
        metrics: counts requests; the real application goes on with the same.
        give_up: called once `failure` holds an error for which waiting is no use; ends the process.
        retry_refused_s: seconds until a bundle that was refused is loaded again.
    """

    def __init__(
        self,
        make: Callable[[], Starlette],
        every_s: float,
        metrics: Metrics,
        give_up: Callable[[], None],
        retry_refused_s: float = RETRY_REFUSED_S,
    ) -> None:
        self.failure: Exception | None = None
        self._make = make
        self._every_s = every_s
        self._metrics = metrics
        self._give_up = give_up
        self._retry_refused_s = retry_refused_s
        self._reason = LOADING
        self._waiting = Starlette(
            routes=[
                Route("/livez", self._get_livez),
                Route("/readyz", self._get_readyz),
                Route("/metrics", self._get_metrics),
                Route("/{path:path}", _refuse, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
            ],
            middleware=[Middleware(RequestTelemetryMiddleware, metrics=metrics)],
            exception_handlers=PROBLEM_HANDLERS,
            lifespan=self._lifespan,
        )
        self._serving: ASGIApp = self._waiting

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or run the lifespan."""
        application = self._waiting if scope["type"] == "lifespan" else self._serving
        await application(scope, receive, send)

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        ending = asyncio.Event()
        task = asyncio.create_task(self._wait_and_serve(ending))
        try:
            yield
        finally:
            ending.set()
            await task

    async def _wait_and_serve(self, ending: asyncio.Event) -> None:
        """Wait for the real application, then run its background work until the end."""
        try:
            application = await self._make_application(ending)
            if application is None:
                return
            self._reason = READING
            async with application.router.lifespan_context(application):
                self._serving = application
                await ending.wait()
        except Exception as error:  # of a task that nobody awaits yet: kept for whoever started the service to raise
            self.failure = error
            self._give_up()

    async def _make_application(self, ending: asyncio.Event) -> Starlette | None:
        """The real application; `None` when the end comes first."""
        while not ending.is_set():
            try:
                return await asyncio.to_thread(self._make)
            except BundleError as error:
                self._report(error)
                wait_s = (
                    self._every_s if isinstance(error, BundleMissing) else max(self._every_s, self._retry_refused_s)
                )
            try:
                await asyncio.wait_for(ending.wait(), wait_s)
            except TimeoutError:
                continue
        return None

    def _report(self, error: BundleError) -> None:
        if error.message == self._reason:
            return
        self._reason = error.message
        if isinstance(error, BundleMissing):
            log.info("waiting for a bundle", extra={"reason": error.message})
        else:
            self._metrics.count_load("refused")
            log.error(
                "a bundle is refused; waiting for another",
                extra={"reason": error.message},
                exc_info=error.__cause__ if type(error) is BundleError else None,
            )

    async def _get_livez(self, _: Request) -> Response:
        return json_response({"status": "alive", "model_version": None})

    async def _get_readyz(self, _: Request) -> Response:
        document = {"status": "waiting", "model_version": None, "reason": self._reason}
        return json_response(document, HTTPStatus.SERVICE_UNAVAILABLE)

    async def _get_metrics(self, _: Request) -> Response:
        return Response(self._metrics.exposition(), media_type=CONTENT_TYPE_LATEST)


async def _refuse(request: Request) -> Response:
    error = NotReady("there is no bundle to answer from yet: ask again later; /readyz says what is waited for")
    return problem_of(error, trace_of(request.scope).request_id)
