"""`/items/{id}`: one item of the catalogue, and the items like it."""

from typing import Final

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from app.api.answers import json_response, recommend_response
from app.api.direct_route import DirectRoute
from app.api.openapi import bounded, parameter
from app.api.recommend_routes import EXAMPLE_ANSWER
from app.api.schemas import ItemAnswer, NoParameters, RecommendAnswer, SimilarRequest
from app.api.wire_values import fields_of
from app.engine.selection.fields import check_fields
from app.errors import CallNotYet, ItemNotFound
from app.serving.call import RecommendCall
from app.serving.impressions import Shown
from app.serving.release import Release
from app.serving.service import RecommendService
from app.telemetry.stages import trace_of

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


TAG: Final = "Items"
_ITEM_ID: Final = parameter("path", "item_id", "string", "An id of the catalogue; it may contain slashes.", "p9")
_SIMILAR: Final = EXAMPLE_ANSWER | {"items": [{"item_id": "p3", "rank": 1, "score": 0.81}]}


def item_routes(service: RecommendService, shown: Shown) -> list[APIRoute]:
    """The calls on items of the catalogue of `service`; `shown` is told of those that are answered as similar."""

    def row_of(request: Request, release: Release) -> int:
        item_id = request.path_params["item_id"]
        row = release.snapshot.items.row_of(item_id)
        if not row:
            raise ItemNotFound(f"no item {item_id!r} in the catalogue of bundle {release.version}")
        return row

    async def get_item(request: Request) -> Response:
        """An item with all its catalogue columns; a missing value is null."""
        NoParameters.model_validate(dict(request.query_params))
        release = service.release
        row = row_of(request, release)
        catalogue = release.snapshot.catalogue
        return json_response({"item_id": release.item_ids[row], "fields": catalogue.values_of(row, catalogue.fields)})

    async def get_similar_items(request: Request) -> Response:
        """The nearest neighbours of an item, the item itself left out. The same for every caller."""
        asked = SimilarRequest.model_validate(fields_of(request.query_params, frozenset({"fields"})))
        release = service.release
        check_fields(asked.fields or (), release.snapshot.catalogue, release.snapshot.filters)
        call = RecommendCall(k=asked.k, similar_to=row_of(request, release))
        trace = trace_of(request.scope)
        trace.timer.lap("parse")
        answer = await service.recommend(call, release, request.is_disconnected)
        trace.timer.include(answer.stages, rest="wait")
        shown.note(trace.request_id, None, answer, release)
        return recommend_response(answer, trace, asked.fields, release.snapshot)

    return [
        DirectRoute(
            "GET",
            "/items/{item_id:path}/similar",
            get_similar_items,
            answer=RecommendAnswer,
            example=_SIMILAR,
            problems=(401, 404, 422, 429),
            summary="Items like this one",
            operation_id="get_similar_items",
            tags=[TAG],
            openapi_extra={
                "parameters": bounded(
                    SimilarRequest,
                    [
                        _ITEM_ID,
                        parameter("query", "k", "integer", "How many items, at most: 1 to 200.", 20),
                        parameter("query", "fields", "list", "Catalogue columns to answer.", ["title", "price"]),
                    ],
                )
            },
        ),
        DirectRoute(
            "GET",
            "/items/{item_id:path}",
            get_item,
            answer=ItemAnswer,
            example={"item_id": "p9", "fields": {"title": "Rain jacket", "price": 129.0, "brand": None}},
            problems=(401, 404, 422),
            summary="One item of the catalogue",
            operation_id="get_item",
            tags=[TAG],
            openapi_extra={"parameters": [_ITEM_ID]},
        ),
    ]
