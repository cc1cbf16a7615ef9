"""`/recommend`, by POST and by GET."""

from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Final

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from app.api.answers import answer_body, json_body_response
from app.api.deadline import ItemQuestion, respond_in_time, time_left
from app.api.direct_route import DirectRoute
from app.api.openapi import body_of, parameter, with_bounds
from app.api.recommend_parsing import (
    CONTEXT_ITEM_IDS,
    NO_LIST,
    Limits,
    fingerprint_of,
    parse_recommend,
    people_of,
    read_body,
    read_parameters,
)
from app.api.schemas import RecommendAnswer, RecommendRequest
from app.api.wire_work import read_request, whole_body, write_answer
from app.artifact.people import person_of
from app.engine.selection.fields import check_fields
from app.serving.call import Answer
from app.serving.cost import WRITTEN_FIELD_US
from app.serving.cursor import Rest
from app.serving.cursor_keys import CursorKeys
from app.serving.pages import read_page
from app.serving.release import Release
from app.serving.services import Services
from app.telemetry.stages import trace_of

TAG: Final = "Recommend"
EXAMPLE_ANSWER: Final = {
    "request_id": "01JDE4M8N2Q0V7T5X3Y1Z9W6CB",
    "model_version": "2026-11-23T10-15-00-3f2a",
    "items": [
        {
            "item_id": "p3",
            "rank": 1,
            "score": 0.81,
            "fields": {"title": "Trail shoe", "price": 99.0},
            "reasons": [{"kind": "viewed", "item_id": "p9", "weight": 0.6}, {"kind": "base", "weight": 0.21}],
        }
    ],
    "total": 214,
    "next_cursor": None,
    "facets": {"category": [{"value": "Shoes", "count": 214}], "brand": [{"value": "Own", "count": 31}]},
    "corrected_query": None,
    "matched_by": None,
    "dropped_words": [],
    "query_kinds": [],
    "similar_queries": None,
    "popular_items": None,
    "degraded": [],
    "unknown_item_ids": ["p9-blue"],
}
_FILTER: Final = {
    "all": [
        {"field": "category", "in": ["Shoes"]},
        {"field": "price", "lte": 120},
        {"not": {"field": "brand", "eq": "Acme"}},
    ]
}
_FILTER_TEXT: Final = '{"field": "price", "lte": 120}'
_EXAMPLE: Final = {
    "user_id": "u1",
    "context": {"item_ids": ["p9", "p9-blue"]},
    "exclude_item_ids": ["p7"],
    "filter": _FILTER,
    "facets": ["category", "brand"],
    "k": 20,
    "fields": ["title", "price"],
    "explain": True,
}


def recommend_routes(services: Services, limits: Limits) -> list[APIRoute]:
    """`POST /recommend` and `GET /recommend`."""
    return [
        DirectRoute(
            "POST",
            "/recommend",
            partial(post_recommend, services, limits),
            answer=RecommendAnswer,
            example=EXAMPLE_ANSWER,
            problems=(401, 413, 422, 429),
            summary="Recommend items",
            operation_id="post_recommend",
            tags=[TAG],
            openapi_extra=body_of(RecommendRequest, _EXAMPLE, required=False),
        ),
        DirectRoute(
            "GET",
            "/recommend",
            partial(get_recommend, services, limits),
            answer=RecommendAnswer,
            example=EXAMPLE_ANSWER,
            problems=(401, 422, 429),
            summary="Recommend items, by query parameters",
            operation_id="get_recommend",
            tags=[TAG],
            openapi_extra={
                "parameters": with_bounds(
                    RecommendRequest,
                    [
                        parameter("query", "query", "string", "What is searched for.", "trail shoes"),
                        parameter("query", "exact", "boolean", "Whether to correct nothing of the query.", True),
                        parameter("query", "user_id", "string", "A user that the shop knows.", "u1"),
                        parameter(
                            "query",
                            "visitor_id",
                            "string",
                            "Of a device; looked up when nothing is known of the user.",
                            "v1",
                        ),
                        parameter("query", "session_id", "string", "Of a visit, where no visitor is known.", "s1"),
                        parameter("query", CONTEXT_ITEM_IDS, "list", "Items of this page or basket.", ["p9"]),
                        parameter("query", "exclude_item_ids", "list", "Items that must not be answered.", ["p7"]),
                        parameter("query", "exclude", "string", "none, purchased or seen.", "purchased"),
                        parameter("query", "timeout_ms", "number", "Milliseconds that an answer may take.", 50),
                        parameter("query", "k", "integer", "How many items, at most: 1 to 200.", 20),
                        parameter("query", "diversity", "number", "How different the items are: 0 to 1.", 0.2),
                        parameter("query", "filter", "string", "What every item passes, as JSON.", _FILTER_TEXT),
                        parameter(
                            "query", "facets", "list", "Columns whose values are counted.", ["category", "brand"]
                        ),
                        parameter(
                            "query", "sort", "string", "relevance, price_asc, price_desc or newest.", "relevance"
                        ),
                        parameter("query", "group_by", "string", "A column: at most one item of each value.", "brand"),
                        parameter("query", "fields", "list", "Columns and attributes to answer.", ["title", "price"]),
                        parameter("query", "explain", "boolean", "Whether to say why each item was answered.", True),
                    ],
                )
            },
        ),
    ]


async def post_recommend(services: Services, limits: Limits, http: Request) -> Response:
    """Items for a user, a visitor, a page, a history, or for nobody in particular.

    What is not known (a user, an item of the context, of the recent events or of the excluded ones) is left out;
    where nothing is left, the answer is what is popular. Items of the context are not answered; those that are not
    known are said in `unknown_item_ids`.
    """
    body = await whole_body(http)
    return await _respond(services, limits, http, len(body), partial(read_body, body))


async def get_recommend(services: Services, limits: Limits, http: Request) -> Response:
    """The same as by POST, for the fields that are flat: a link, a cache, a quick look.

    `recent_events`, boosts and pins need a body. A `cursor` may be too long for an address: send it in a body.
    """
    size = len(http.scope["query_string"])
    return await _respond(services, limits, http, size, lambda: read_parameters(http.query_params))


async def _respond(
    services: Services, limits: Limits, http: Request, size: int, read: Callable[[], RecommendRequest]
) -> Response:
    """Read and parse, and answer what was asked; `size` is that of the request in bytes."""
    arrived, lanes, timer = perf_counter(), services.recommender.lanes, trace_of(http.scope).timer
    request = await read_request(lanes, size, read)
    timer.lap("parse")
    look = await services.live.look(time_left(services, arrived, request.timeout_ms), people_of(request))
    timer.lap("look")
    release = look.release
    if request.cursor is not None:
        return await _respond_with_page(services, http, request, request.cursor, look.degraded)
    call = await read_request(lanes, size, partial(parse_recommend, request, limits, release.snapshot))
    timer.lap("parse")
    question = ItemQuestion(
        call,
        release,
        arrived,
        request.fields,
        person_of(request.user_id, request.visitor_id, request.session_id),
        partial(fingerprint_of, request),
        look.degraded,
        look.read,
    )
    return await respond_in_time(services, http, question)


async def _respond_with_page(
    services: Services, http: Request, request: RecommendRequest, cursor: str, degraded: tuple[str, ...]
) -> Response:
    """The next page of a list: all of it is in the cursor."""
    trace, lanes = trace_of(http.scope), services.recommender.lanes

    def read() -> tuple[Rest, Release]:
        rest = _parse_cursor(request, cursor, services.cursors)
        release = services.recommender.release_of(rest)
        check_fields(request.fields or (), release.snapshot.catalogue, release.snapshot.filters)
        return rest, release

    rest, release = await read_request(lanes, len(cursor), read)
    trace.timer.lap("parse")
    cost = request.k * len(request.fields or ()) * WRITTEN_FIELD_US

    def write() -> tuple[Answer, bytes]:
        answer = services.recommender.page(rest, request.k, release, services.cursors)
        answer.degraded = list(degraded)
        return answer, answer_body(answer, trace.request_id, request.fields, release.snapshot)

    answer, body = await write_answer(lanes, cost, write)
    trace.timer.lap("encode")
    if http.method != "HEAD":  # which shows nothing
        person = person_of(request.user_id, request.visitor_id, request.session_id)
        services.recorder.record(trace.request_id, person, request.query, answer, release)
    return json_body_response(body)


def _parse_cursor(request: RecommendRequest, cursor: str, keys: CursorKeys) -> Rest:
    fingerprint = fingerprint_of(request)
    return read_page(cursor, None if fingerprint == NO_LIST else fingerprint, keys)
