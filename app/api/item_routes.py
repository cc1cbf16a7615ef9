"""`/items/{id}`: one item of the catalogue and the items like it."""

from functools import partial
from time import perf_counter
from typing import Final

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from app.api.answers import json_response
from app.api.deadline import ItemQuestion, respond_in_time
from app.api.direct_route import DirectRoute
from app.api.openapi import parameter, with_bounds
from app.api.recommend_routes import EXAMPLE_ANSWER
from app.api.schemas import ItemAnswer, NoParameters, RecommendAnswer, SimilarRequest
from app.api.wire_values import fields_of
from app.artifact.ids import MAX_ID, composed_id
from app.engine.selection.fields import check_fields
from app.errors import ItemNotFound
from app.serving.call import RecommendCall
from app.serving.live_catalogue import LiveCatalogue
from app.serving.release import Release
from app.serving.services import Services
from app.telemetry.stages import trace_of

TAG: Final = "Items"
ITEM_ID: Final = parameter(
    "path", "item_id", "string", "An id of the catalogue; it may contain slashes, best written as %2F.", "p9"
)
_SIMILAR_PATH: Final = b"/similar"
_SIMILAR: Final = EXAMPLE_ANSWER | {
    "items": [{"item_id": "p3", "rank": 1, "score": 0.81}],
    "unknown_item_ids": [],
}


def item_routes(services: Services) -> list[APIRoute]:
    """`GET /items/{id}` and `GET /items/{id}/similar`."""
    return [
        DirectRoute(
            "GET",
            "/items/{item_id:id}/similar",
            partial(get_similar_items, services),
            answer=RecommendAnswer,
            example=_SIMILAR,
            problems=(401, 404, 422, 429),
            summary="Items like this one",
            operation_id="get_similar_items",
            tags=[TAG],
            openapi_extra={
                "parameters": with_bounds(
                    SimilarRequest,
                    [
                        ITEM_ID,
                        parameter("query", "k", "integer", "How many items, at most: 1 to 200.", 20),
                        parameter("query", "fields", "list", "Catalogue columns to answer.", ["title", "price"]),
                    ],
                )
            },
        ),
        DirectRoute(
            "GET",
            "/items/{item_id:id}",
            partial(get_item, services.live),
            answer=ItemAnswer,
            example={"item_id": "p9", "fields": {"title": "Rain jacket", "price": 129.0, "brand": None}},
            problems=(401, 404, 422),
            summary="One item of the catalogue",
            operation_id="get_item",
            tags=[TAG],
            openapi_extra={"parameters": [ITEM_ID]},
        ),
    ]


async def get_item(live: LiveCatalogue, request: Request) -> Response:
    """An item with all its catalogue columns; a missing value is null."""
    return await _answer_item(live, request, request.path_params["item_id"])


async def _answer_item(live: LiveCatalogue, request: Request, item_id: str) -> Response:
    NoParameters.model_validate(fields_of(request.query_params))
    release = (await live.look()).release
    row = _row_of(item_id, release)
    catalogue = release.snapshot.catalogue
    return json_response({"item_id": release.item_ids[row], "fields": catalogue.values_of(row, catalogue.fields)})


async def get_similar_items(services: Services, request: Request) -> Response:
    """The nearest neighbours of an item, the item itself left out. The same for every caller."""
    item_id, arrived = request.path_params["item_id"], perf_counter()
    if not request.scope.get("raw_path", _SIMILAR_PATH).endswith(_SIMILAR_PATH):  # the slash is one of the id
        return await _answer_item(services.live, request, f"{item_id}/similar")
    similar = SimilarRequest.model_validate(fields_of(request.query_params, frozenset({"fields"})))
    look = await services.live.look()
    release = look.release
    check_fields(similar.fields or (), release.snapshot.catalogue, release.snapshot.filters)
    call = RecommendCall(k=similar.k, similar_to=_row_of(item_id, release))
    trace_of(request.scope).timer.lap("parse")
    return await respond_in_time(
        services, request, ItemQuestion(call, release, arrived, similar.fields, degraded=look.degraded)
    )


def _row_of(item_id: str, release: Release) -> int:
    if len(item_id) > MAX_ID:  # to compose it takes time by the square of its length
        raise ItemNotFound(f"an id has at most {MAX_ID} characters, got {len(item_id)}: no item has it")
    item_id = composed_id(item_id)
    row = release.snapshot.items.answerable_row_of(item_id)
    if not row:
        raise ItemNotFound(f"no item {item_id!r} in the catalogue of bundle {release.version}")
    return row
