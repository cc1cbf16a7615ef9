"""`/models`: which versions there are, and which is served."""

from functools import partial
from typing import Any, Final

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from app.api.answers import json_response
from app.api.direct_route import DirectRoute
from app.api.openapi import parameter
from app.api.schemas import ModelsAnswer, NoParameters, ServedModel
from app.api.wire_values import fields_of
from app.serving.follower import BundleFollower, ModelState
from app.serving.service import RecommendService

TAG: Final = "Models"
_SERVED: Final = {"model_version": "2026-11-23T10-15-00-3f2a", "previous_version": "2026-11-22T10-15-00-81c0"}
_MODEL: Final = {
    "version": "2026-11-23T10-15-00-3f2a",
    "dataset": "shop",
    "published_at": "2026-11-23T10:20:00+00:00",
    "users": 1000,
    "items": 10000,
    "served": True,
    "loaded": True,
    "current": True,
    "refused": None,
    "forced": None,
}


def model_routes(recommender: RecommendService, follower: BundleFollower) -> list[APIRoute]:
    """The calls that show and change the version that `recommender` answers from."""
    return [
        DirectRoute(
            "GET",
            "/models",
            partial(get_models, follower),
            answer=ModelsAnswer,
            example={"models": [_MODEL], "refused": {}},
            problems=(401, 403, 422, 503),
            summary="Published versions",
            operation_id="get_models",
            tags=[TAG],
        ),
        DirectRoute(
            "POST",
            "/models/reload",
            partial(reload_models, recommender, follower),
            answer=ServedModel,
            example=_SERVED,
            problems=(401, 403, 409, 503),
            summary="Look at the pointer now",
            operation_id="reload_models",
            tags=[TAG],
        ),
        DirectRoute(
            "POST",
            "/models/{version}/activate",
            partial(activate_model, recommender, follower),
            answer=ServedModel,
            example=_SERVED,
            problems=(401, 403, 404, 409, 422, 503),
            summary="Serve a version",
            operation_id="activate_model",
            tags=[TAG],
            openapi_extra={
                "parameters": [
                    parameter("path", "version", "string", "A version of `GET /models`.", _SERVED["model_version"])
                ]
            },
        ),
    ]


async def get_models(follower: BundleFollower, request: Request) -> Response:
    """All versions that may be served, oldest first: those published to Redis, or those in the store of bundles."""
    NoParameters.model_validate(fields_of(request.query_params))
    return json_response({"models": [_document(state) for state in await follower.list()], "refused": follower.refused})


async def activate_model(recommender: RecommendService, follower: BundleFollower, request: Request) -> Response:
    """Serve a version: a newer one, or an older one to roll back.

    It is loaded and verified first; then the pointer moves, and every replica follows within a second or so. A
    bundle that fails is refused with 409, and serving goes on as before.
    """
    before = recommender.release.version
    release = await follower.activate(request.path_params["version"])
    return json_response({"model_version": release.version, "previous_version": before})


async def reload_models(recommender: RecommendService, follower: BundleFollower, _: Request) -> Response:
    """Look at the pointer now, and try again what was refused before."""
    before = recommender.release.version
    release = await follower.reload()
    return json_response({"model_version": release.version, "previous_version": before})


def _document(state: ModelState) -> dict[str, Any]:
    model = state.model
    return {
        "version": model.version,
        "dataset": model.dataset,
        "published_at": model.published_at,
        "users": model.users,
        "items": model.items,
        "served": state.is_served,
        "loaded": state.is_loaded,
        "current": state.is_pointed_to,
        "refused": state.refusal,
        "forced": None if model.forced is None else model.forced.model_dump(),
    }
