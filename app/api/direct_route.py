"""A route whose endpoint is called with the request alone.

FastAPI's own way solves dependencies and validates the answer, which together cost more than retrieval on a small
catalogue. Here the endpoint parses and encodes itself; what the route declares is for the OpenAPI document.
"""

import inspect
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import takewhile
from typing import Any, Final

from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Router
from starlette.types import Receive, Scope, Send

from app.api.openapi import responses_of
from app.api.wire_values import check_encoding, path_of

_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")

Endpoint = Callable[[Request], Awaitable[Response]]


class _AnyId(Convertor[str]):
    """An id in an address, whatever it holds: what is stored can be asked for (`path` stops at line breaks)."""

    regex = r"[\s\S]*"

    def convert(self, value: str) -> str:
        """The id as it stands in the address."""
        return value

    def to_string(self, value: str) -> str:
        """The address of an id is the id."""
        return value


register_url_convertor("id", _AnyId())


class DirectRoute(APIRoute):
    """One documented call.

    Args:
        method: the HTTP method.
        path: the path, with Starlette's convertors.
        endpoint: answers the call: a function of the request, or a `partial` of one that also takes what it answers
            from. The docstring of the function is the description in the document.
        answer: the model of a 200, for the document.
        example: an answer, for the document.
        problems: statuses of the problem documents that it may answer.
        **options: `APIRoute`'s own, such as `summary` and `openapi_extra`.
    """

    def __init__(
        self,
        method: str,
        path: str,
        endpoint: Endpoint,
        *,
        answer: type[BaseModel] | None = None,
        example: Any = None,
        problems: tuple[int, ...] = (),
        **options: Any,
    ) -> None:
        responses = responses_of(example, problems) | options.pop("responses", {})
        function = endpoint.func if isinstance(endpoint, partial) else endpoint
        super().__init__(
            path,
            endpoint,
            methods=[method],
            name=options.get("operation_id"),
            description=inspect.getdoc(function),
            response_model=answer,
            responses=responses,
            **options,
        )

        async def answer_directly(scope: Scope, receive: Receive, send: Send) -> None:
            check_encoding(scope)
            response = await endpoint(Request(scope, receive, send))
            await response(scope, receive, send)

        self.app = answer_directly

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether it answers this request; a HEAD is answered wherever a GET is, and is no call of its own."""
        if scope["type"] == "http" and scope["method"] == "HEAD" and "GET" in (self.methods or ()):
            scope = {**scope, "method": "GET"}
        return super().matches(scope)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that it matches; the server leaves the body of an answer to a HEAD away."""
        if scope["method"] == "HEAD" and "GET" in (self.methods or ()):
            await self.app(scope, receive, send)
        else:
            await super().handle(scope, receive, send)


class ShortWay:
    """ASGI application that finds a `DirectRoute` by its address, and leaves all else to a router.

    An address without parameters is looked up; one with parameters is compared with the patterns of those routes alone
    that stand before any of another kind.

    Args:
        router: has all routes, of which the first that matches answers, here as there.
    """

    def __init__(self, router: Router) -> None:
        self._router = router
        self._routes = {
            (method, route.path): route
            for route in router.routes
            if isinstance(route, DirectRoute) and "{" not in route.path
            for method in _METHODS
            if _first_match(router, method, route.path) is route
        }
        direct = takewhile(lambda route: isinstance(route, DirectRoute), router.routes)
        self._patterns = [_Pattern(route) for route in direct if isinstance(route, DirectRoute) and "{" in route.path]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        match = self.match(scope["method"], path_of(scope)) if scope["type"] == "http" else None
        if match is None:
            await self._router(scope, receive, send)
            return
        route, scope["path_params"] = match
        scope["route"], scope["endpoint"] = route, route.endpoint
        await route.app(scope, receive, send)

    def match(self, method: str, path: str) -> tuple[DirectRoute, dict[str, Any]] | None:
        """The route that answers an address, and the parameters in it; None where the router has to tell."""
        route = self._routes.get((method, path))
        if route is not None:
            return route, {}
        for pattern in self._patterns:
            parameters = pattern.parameters_of(method, path)
            if parameters is not None:
                return pattern.route, parameters
        return None


class _Pattern:
    """The addresses of one route with parameters."""

    def __init__(self, route: DirectRoute) -> None:
        self.route = route
        methods = frozenset(route.methods or ())
        self._methods = methods | {"HEAD"} if "GET" in methods else methods
        self._match = route.path_regex.match
        self._converts = {name: convertor.convert for name, convertor in route.param_convertors.items()}

    def parameters_of(self, method: str, path: str) -> dict[str, Any] | None:
        """The parameters in an address; None where it, or the method, is not of this route."""
        if method not in self._methods or (match := self._match(path)) is None:
            return None
        return {name: self._converts[name](text) for name, text in match.groupdict().items()}


def _first_match(router: Router, method: str, path: str) -> BaseRoute | None:
    """The route that a router hands a request to; None where it would refuse the method."""
    scope = {"type": "http", "method": method, "path": path}
    return next((route for route in router.routes if route.matches(scope)[0] is Match.FULL), None)
