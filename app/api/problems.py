"""From errors to RFC 9457 problem documents: one table says which error has which status."""

from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Final

import orjson
from fastapi.routing import APIRoute
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from app.errors import (
    AisleError,
    BodyCrowdedOut,
    BodyEncoded,
    BodyTooLarge,
    BundleError,
    CallNotYet,
    DeviceUnavailable,
    ForeignHost,
    ForeignOrigin,
    HeadTooLarge,
    InvalidRequest,
    ItemNotFound,
    KeyForbidden,
    KeyMissing,
    MalformedRequest,
    ModelNotFound,
    NotReady,
    NotYet,
    Overloaded,
    RequestError,
    RequestTimeout,
    StoreUnavailable,
    TargetTooLong,
    UserNotFound,
)
from app.telemetry.stages import trace_of

ProblemHandler = Callable[[Request, Exception], Awaitable[Response]]

STATUS_OF: Final[dict[type[AisleError], HTTPStatus]] = {
    InvalidRequest: HTTPStatus.UNPROCESSABLE_ENTITY,
    NotYet: HTTPStatus.UNPROCESSABLE_ENTITY,
    CallNotYet: HTTPStatus.NOT_IMPLEMENTED,
    ItemNotFound: HTTPStatus.NOT_FOUND,
    UserNotFound: HTTPStatus.NOT_FOUND,
    ModelNotFound: HTTPStatus.NOT_FOUND,
    KeyMissing: HTTPStatus.UNAUTHORIZED,
    KeyForbidden: HTTPStatus.FORBIDDEN,
    ForeignOrigin: HTTPStatus.FORBIDDEN,
    ForeignHost: HTTPStatus.FORBIDDEN,
    BodyTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    BodyEncoded: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    MalformedRequest: HTTPStatus.BAD_REQUEST,
    TargetTooLong: HTTPStatus.REQUEST_URI_TOO_LONG,
    HeadTooLarge: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    RequestTimeout: HTTPStatus.REQUEST_TIMEOUT,
    BodyCrowdedOut: HTTPStatus.SERVICE_UNAVAILABLE,
    Overloaded: HTTPStatus.TOO_MANY_REQUESTS,
    BundleError: HTTPStatus.CONFLICT,
    DeviceUnavailable: HTTPStatus.CONFLICT,
    StoreUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    NotReady: HTTPStatus.SERVICE_UNAVAILABLE,
    RequestError: HTTPStatus.UNPROCESSABLE_ENTITY,
    AisleError: HTTPStatus.INTERNAL_SERVER_ERROR,
}
_CODE_OF_STATUS: Final = {404: "not_found", 405: "method_not_allowed"}
_DETAIL_OF_STATUS: Final = {
    404: "there is nothing at this address; /docs lists every call",
    405: "this address answers other methods; see the Allow header, or /docs",
}
_HEADERS: Final = {
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: {"Accept-Encoding": "identity"},
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": "Bearer"},
    HTTPStatus.TOO_MANY_REQUESTS: {"Retry-After": "1"},
    HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": "1"},
}
MEDIA_TYPE: Final = "application/problem+json"
MOST_ERRORS: Final = 20  # wrong fields that one problem names
MOST_LOOKED_AT: Final = 1_000  # wrong fields past which they are only counted
_MOST_BYTES: Final = 12_000  # of the named fields together
_MOST_TEXT: Final = 1_000  # characters of a detail or a message
_MOST_PATH: Final = 256  # characters of a field
INTERNAL: Final = "an unexpected error, which the log explains under this request id"


def problem_response(
    status: int,
    code: str,
    detail: str,
    request_id: str,
    errors: Sequence[tuple[str, str]] = (),
    headers: dict[str, str] | None = None,
) -> Response:
    """The response with a problem document.

    Args:
        status: the HTTP status.
        code: stable name of the problem.
        detail: what was expected, what was received, and what to do.
        request_id: the id of the request.
        errors: path and message of each wrong field; the first `MOST_ERRORS` are named.
        headers: further headers.
    """
    document = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": _cut(detail, _MOST_TEXT),
        "code": code,
        "request_id": request_id,
        "errors": _named(errors),
    }
    return Response(orjson.dumps(document), status, headers, MEDIA_TYPE)


def _named(errors: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    """The wrong fields that an answer of bounded size has room for."""
    named: list[dict[str, str]] = []
    room = _MOST_BYTES
    for field, message in errors[:MOST_ERRORS]:
        entry = {"field": _cut(field, _MOST_PATH), "message": _cut(message, _MOST_TEXT)}
        room -= len(orjson.dumps(entry))
        if room < 0:
            break
        named.append(entry)
    return named


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def internal_problem(request_id: str) -> Response:
    """The problem document for a defect; says nothing of its nature."""
    return problem_response(HTTPStatus.INTERNAL_SERVER_ERROR, AisleError.code, INTERNAL, request_id)


def status_of(error: AisleError) -> HTTPStatus:
    """The status of an error, by its nearest ancestor in the table."""
    return next(STATUS_OF[kind] for kind in type(error).__mro__ if kind in STATUS_OF)


async def _aisle_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, AisleError)  # noqa: S101 - what it was registered for
    status = status_of(error)
    if status is HTTPStatus.INTERNAL_SERVER_ERROR:
        raise error  # no client caused it: the log shall have it
    return problem_of(error, trace_of(request.scope).request_id)


def problem_of(error: AisleError, request_id: str) -> Response:
    """The problem document of an intended error."""
    status = status_of(error)
    fields = [(str(field), error.message) for field in error.args[1:2]]
    return problem_response(status, error.code, error.message, request_id, fields, _HEADERS.get(status))


async def _validation_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, ValidationError)  # noqa: S101 - what it was registered for
    if error.error_count() > MOST_LOOKED_AT:
        fields = []
        detail = f"{error.error_count()} fields or entries are wrong: /docs shows what this call takes"
    else:
        fields = _wrong_fields(error)
        field, message = fields[0]
        more = f" (and {len(fields) - 1} more)" if len(fields) > 1 else ""
        shown = _cut(field, _MOST_PATH)
        detail = f"{shown}: {message}{more}" if field else message
    trace = trace_of(request.scope)
    return problem_response(STATUS_OF[InvalidRequest], InvalidRequest.code, detail, trace.request_id, fields)


def _wrong_fields(error: ValidationError) -> list[tuple[str, str]]:
    """Path and message of each wrong field."""
    return [
        (".".join(str(part) for part in problem["loc"]), problem["msg"])
        for problem in error.errors(include_url=False, include_context=False, include_input=False)
    ]


async def _http_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - what it was registered for
    status = error.status_code
    headers = dict(error.headers) if error.headers else {}
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        headers |= _allow(request)
    return problem_response(
        status,
        _CODE_OF_STATUS.get(status, "http_error"),
        _DETAIL_OF_STATUS.get(status, HTTPStatus(status).phrase),
        trace_of(request.scope).request_id,
        headers=headers,
    )


def _allow(request: Request) -> dict[str, str]:
    """All methods of an address: each is a route of its own, of which the router names but the first."""
    routes = [route for route in request.app.routes if isinstance(route, APIRoute) and route.include_in_schema]
    methods = {
        method
        for route in routes
        if route.matches(request.scope)[0] is not Match.NONE
        for method in route.methods or ()
    }
    methods |= {"HEAD"} if "GET" in methods else set()
    return {"Allow": ", ".join(sorted(methods))} if methods else {}


PROBLEM_HANDLERS: Final[dict[type[Exception], ProblemHandler]] = {
    AisleError: _aisle_problem,
    ValidationError: _validation_problem,
    HTTPException: _http_problem,
}
"""Exception handlers that answer every intended error with a problem document."""
