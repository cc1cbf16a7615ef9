"""`GET /suggest`: completions for a search box while somebody types."""

from functools import partial
from typing import Any, Final

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from app.api.answers import json_response
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
    parameters = SuggestRequest.model_validate(fields_of(request.query_params))
    release = (await services.live.look()).release
    trace = trace_of(request.scope)
    trace.timer.lap("parse")
    suggester = release.snapshot.suggester
    suggestions: list[Suggestion] = []
    if suggester is not None:
        suggest = partial(suggester.suggest, parameters.q, parameters.limit)
        lanes = services.recommender.lanes
        suggestions = suggest() if len(parameters.q) <= SHORT else await lanes.wire.run(suggest)
    trace.timer.lap("suggest")
    return json_response(
        {"suggestions": [_document(suggestion, release, bool(parameters.q)) for suggestion in suggestions]}
    )


def _document(suggestion: Suggestion, release: Release, was_typed: bool) -> dict[str, Any]:
    document: dict[str, Any] = {"text": suggestion.text, "kind": suggestion.kind}
    if suggestion.row:
        document["item_id"] = release.item_ids[suggestion.row]
    if was_typed:
        document["highlight"] = suggestion.marks
    return document
