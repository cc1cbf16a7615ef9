"""The pieces of the OpenAPI document that FastAPI does not make for routes that parse and encode themselves."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from app.api.catalogue_schemas import BatchRequest, ItemFields
from app.api.event_schemas import Event, MergeRequest
from app.api.predict_schemas import PredictRequest
from app.api.problems import MEDIA_TYPE
from app.api.schemas import Problem, RecommendRequest

_REF: Final = "#/components/schemas/{model}"
_BOUNDS: Final = (
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minLength",
    "maxLength",
    "maxItems",
    "enum",
)
_BY_HAND: Final = (
    Problem,
    RecommendRequest,
    PredictRequest,
    Event,
    MergeRequest,
    ItemFields,
    BatchRequest,
)  # schemas that no route declares as its answer
_OF_EVERY_BODY: Final = (415,)
_OF_EVERY_CALL: Final = (  # by the server, before a route is known
    400,
    408,
    414,
    431,
)
_PROBLEMS: Final[dict[int, tuple[str, dict[str, Any]]]] = {
    400: (
        "What arrived is not HTTP",
        {"code": "malformed_request", "title": "Bad Request", "detail": "expected a request in HTTP/1.1, got …"},
    ),
    401: (
        "A key is needed",
        {"code": "key_missing", "title": "Unauthorized", "detail": "this call needs a key, got none: send it as …"},
    ),
    403: (
        "The key may not make this call",
        {"code": "key_forbidden", "title": "Forbidden", "detail": "this call needs an admin key, got a read key: …"},
    ),
    404: ("No such item", {"code": "item_not_found", "title": "Not Found", "detail": "no item 'p0' in the catalogue"}),
    408: (
        "The request did not arrive in time",
        {"code": "request_timeout", "title": "Request Timeout", "detail": "a body arrives within 30 s: send it faster"},
    ),
    409: (
        "The version must not be served",
        {"code": "bundle_refused", "title": "Conflict", "detail": "the bundle does not answer as when it was made"},
    ),
    413: ("The body is too large", {"code": "body_too_large", "title": "Request Entity Too Large", "detail": "…"}),
    414: (
        "The address is too long",
        {"code": "target_too_long", "title": "Request-URI Too Long", "detail": "the address and the headers take …"},
    ),
    415: (
        "The body is compressed",
        {"code": "body_encoded", "title": "Unsupported Media Type", "detail": "expected a body as it is, got one …"},
    ),
    422: (
        "A field is wrong, unknown or not served yet",
        {
            "code": "invalid_request",
            "title": "Unprocessable Entity",
            "detail": "k: Input should be less than or equal to 200",
            "errors": [{"field": "k", "message": "Input should be less than or equal to 200"}],
        },
    ),
    429: (
        "More calls than are answered; `Retry-After` says when to go on",
        {"code": "overloaded", "title": "Too Many Requests", "detail": "this key makes more calls than … a second"},
    ),
    431: (
        "The headers are too large or too many",
        {"code": "head_too_large", "title": "Request Header Fields Too Large", "detail": "the headers take at most …"},
    ),
    503: (
        "The store of user states cannot be used now",
        {"code": "store_unavailable", "title": "Service Unavailable", "detail": "the store cannot be used now: …"},
    ),
}


def body_of(model: type[BaseModel], example: Any, *, required: bool = True) -> dict[str, Any]:
    """`openapi_extra` of a call with a JSON body."""
    schema = {"$ref": _REF.format(model=model.__name__)}
    return _body(schema, example, required)


def bodies_of(model: type[BaseModel], example: Any) -> dict[str, Any]:
    """`openapi_extra` of a call with one JSON object, or a list of them, as its body."""
    one = {"$ref": _REF.format(model=model.__name__)}
    return _body({"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]}, example, required=True)


def _body(schema: dict[str, Any], example: Any, required: bool) -> dict[str, Any]:
    content = {"application/json": {"schema": schema, "example": example}}
    return {"requestBody": {"content": content, "required": required}}


def parameter(
    where: str, name: str, kind: str, description: str, example: Any, values: Sequence[str] = ()
) -> dict[str, Any]:
    """One parameter; `where` is path or query, `kind` a JSON type or `list` (repeated, or separated by commas).

    `values` are all that it may be, where that is known.
    """
    schema: dict[str, Any] = {"type": "array", "items": {"type": "string"}} if kind == "list" else {"type": kind}
    if values:
        schema["enum"] = list(values)
    return {
        "in": where,
        "name": name,
        "required": where == "path",
        "description": description,
        "schema": schema,
        "example": example,
    }


def with_bounds(model: type[BaseModel], parameters: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The parameters with the bounds that the model sets to its fields of these names."""
    fields = model.model_json_schema(ref_template=_REF)["properties"]
    return [
        entry | {"schema": entry["schema"] | _bounds(fields[entry["name"]])}
        if entry["in"] == "query" and entry["name"] in fields
        else entry
        for entry in parameters
    ]


def _bounds(field: dict[str, Any]) -> dict[str, Any]:
    """What a field's schema, or its alternative to null, allows."""
    chosen = next((option for option in field.get("anyOf", []) if option.get("type") != "null"), field)
    bounds = {name: chosen[name] for name in _BOUNDS if name in chosen}
    return bounds | ({"items": chosen["items"]} if chosen.get("type") == "array" else {})


def responses_of(example: Any, problems: tuple[int, ...]) -> dict[int | str, dict[str, Any]]:
    """`responses` of a call: an example of its answer, and the problem documents that it may answer."""
    responses: dict[int | str, dict[str, Any]] = {}
    if example is not None:
        responses[200] = {"content": {"application/json": {"example": example}}}
    for status in problems:
        responses[status] = _problem(status, *_PROBLEMS[status])
    return responses


def responses_with_status(status: int, example: Any) -> dict[int | str, dict[str, Any]]:
    """`responses` of a call whose answer has another status than 200."""
    return {int(status): {"content": {"application/json": {"example": example}}}}


def problem_with(status: int, code: str, description: str, detail: str) -> dict[int | str, dict[str, Any]]:
    """`responses` of a call with a problem that the others do not have."""
    return {status: _problem(status, description, {"code": code, "title": HTTPStatus(status).phrase, "detail": detail})}


def _problem(status: int, description: str, example: dict[str, Any]) -> dict[str, Any]:
    document = {"type": "about:blank", "status": status, "request_id": "01JDE4M8N2", "errors": [], **example}
    schema = {"$ref": _REF.format(model=Problem.__name__)}
    return {"description": description, "content": {MEDIA_TYPE: {"schema": schema, "example": document}}}


def openapi_document(
    title: str, version: str, description: str, routes: Sequence[APIRoute], limits: list[dict[str, Any]]
) -> dict[str, Any]:
    """The OpenAPI document of these routes, with the table of limits as `x-limits`."""
    document = get_openapi(title=title, version=version, description=description, routes=routes)
    _, schemas = models_json_schema([(model, "validation") for model in _BY_HAND], ref_template=_REF)
    document.setdefault("components", {}).setdefault("schemas", {}).update(schemas["$defs"])
    for route in (route for route in routes if route.include_in_schema):
        for method in route.methods or ():
            responses = document["paths"][route.path_format][method.lower()]["responses"]
            has_body = "requestBody" in document["paths"][route.path_format][method.lower()]
            for number in (*_OF_EVERY_CALL, *(_OF_EVERY_BODY if has_body else ())):
                responses.setdefault(str(number), _problem(number, *_PROBLEMS[number]))
            for status, response in route.responses.items():
                for media, content in response["content"].items():  # FastAPI drops the nulls of examples
                    responses[str(status)]["content"][media]["example"] = content["example"]
    document["x-limits"] = limits
    return document
