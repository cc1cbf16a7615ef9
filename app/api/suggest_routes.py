"""`GET /suggest`: completions for a search box while somebody types."""

from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any, Final

import orjson
from fastapi.routing import APIRoute
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from app.api.answers import json_body_response
from app.api.direct_route import DirectRoute
from app.api.openapi import parameter, with_bounds
from app.api.suggest_schemas import SuggestAnswer, SuggestRequest
from app.api.wire_values import fields_of
from app.engine.text.suggest import Suggestion
from app.serving.release import Release
from app.serving.services import Services
from app.telemetry.stages import trace_of

TAG: Final = "Recommend"
SHORT: Final = 64
"""Characters up to which completing takes next to no time: a longer text has words to be looked up one by one."""
_QUESTIONS_KEPT: Final = 2_048  # query strings of which it is kept what they ask for: shoppers type the same beginnings
_KEPT_BYTES: Final = 256  # of the longest that is kept
_ANSWER: Final = {
    "suggestions": [
        {"text": "trail shoes", "kind": "query", "highlight": [[0, 5]]},
        {"text": "Trail", "kind": "category", "highlight": [[0, 5]]},
        {"text": "Alderby light trail shoes", "kind": "title", "item_id": "p3", "highlight": [[14, 19]]},
    ]
}


def suggest_routes(services: Services) -> list[APIRoute]:
    """`GET /suggest`."""
    return [
        DirectRoute(
            "GET",
            "/suggest",
            partial(get_suggest, services),
            answer=SuggestAnswer,
            example=_ANSWER,
            problems=(401, 422, 429),
            summary="Complete what is typed into a search box",
            operation_id="get_suggest",
            tags=[TAG],
            openapi_extra={
                "parameters": with_bounds(
                    SuggestRequest,
                    [
                        parameter("query", "q", "string", "What is typed so far, at most 512 characters.", "trail"),
                        parameter("query", "limit", "integer", "How many completions, at most: 1 to 20.", 8),
                    ],
                )
            },
        )
    ]


async def get_suggest(services: Services, request: Request) -> Response:
    """Completions of what is typed: logged queries, brands, categories and titles.

    By the beginnings of words, in any order of the words; case, accents, width, and which Chinese characters are
    used do not matter, and one typo in a word is borne where little else is found. Of nothing typed: what is
    liked most.
    """
    question: bytes = request.scope["query_string"]
    is_kept = len(question) <= _KEPT_BYTES
    parameters = _kept_parameters_of(question) if is_kept else _parameters_of(question)
    release = (await services.live.look()).release
    trace = trace_of(request.scope)
    trace.timer.lap("parse")
    suggester = release.snapshot.suggester
    if suggester is None:
        body = _body([], release, parameters)
    elif (written := suggester.written.of(question)) is not None:
        body = written
    else:
        suggest = partial(suggester.suggest, parameters.q, parameters.limit)
        is_short = len(parameters.q) <= SHORT
        suggestions = suggest() if is_short else await services.recommender.lanes.wire.run(suggest)
        body = _body(suggestions, release, parameters)
        if is_kept:
            suggester.written.keep(question, body)
    trace.timer.lap("suggest")
    return json_body_response(body)


def _parameters_of(question: bytes) -> SuggestRequest:
    """What a query string asks for.

    Raises:
        ValidationError: it asks for nothing of the kind.
        InvalidRequest: it has too many parameters.
    """
    return SuggestRequest.model_validate(fields_of(QueryParams(question)))


_kept_parameters_of = lru_cache(_QUESTIONS_KEPT)(_parameters_of)


def _body(suggestions: Sequence[Suggestion], release: Release, parameters: SuggestRequest) -> bytes:
    documents = [_document(suggestion, release, bool(parameters.q)) for suggestion in suggestions]
    return orjson.dumps({"suggestions": documents})


def _document(suggestion: Suggestion, release: Release, was_typed: bool) -> dict[str, Any]:
    document: dict[str, Any] = {"text": suggestion.text, "kind": suggestion.kind}
    if suggestion.row:
        document["item_id"] = release.item_ids[suggestion.row]
    if was_typed:
        document["highlight"] = suggestion.marks
    return document
