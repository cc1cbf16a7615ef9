"""`POST /predict`: how likely a user is to view, cart or purchase the named items within the next session."""

from typing import Final

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from app.api.answers import json_response
from app.api.direct_route import DirectRoute
from app.api.openapi import body_of
from app.api.predict_schemas import PredictAnswer, PredictRequest
from app.api.recommend_parsing import Limits, check_length, given_events
from app.serving.call import RecommendCall
from app.serving.predict import PredictCall, PredictService
from app.serving.service import RecommendService
from app.telemetry.stages import trace_of

TAG: Final = "Recommend"
_REQUEST: Final = {"user_id": "u1", "item_ids": ["p3", "p9"]}
_ANSWER: Final = {
    "request_id": "01JDE4M8N2Q0V7T5X3Y1Z9W6CB",
    "model_version": "2026-11-23T10-15-00-3f2a",
    "behaviours": ["view", "cart", "purchase"],
    "items": [
        {"item_id": "p3", "view": 0.21, "cart": 0.05, "purchase": 0.02},
        {"item_id": "p9", "view": 0.02, "cart": 0.004, "purchase": 0.001},
    ],
    "unknown_item_ids": [],
    "degraded": [],
}


def predict_routes(predictor: PredictService, service: RecommendService, limits: Limits) -> list[APIRoute]:
    """The call that `predictor` answers."""

    async def post_predict(request: Request) -> Response:
        """Probabilities of each behaviour of the user with each item, within the next session.

        Calibrated on held-out users of the training data, among the items that would be recommended to them. A
        behaviour that the data does not have is not there; a purchase counts as a cart and a view, too.
        """
        asked = PredictRequest.model_validate_json(await request.body() or b"{}")
        check_length("item_ids", len(asked.item_ids), limits.max_item_ids)
        events = asked.recent_events
        if events is not None:
            check_length("recent_events", len(events), limits.max_events)
        call = RecommendCall(
            k=1,
            user_id=asked.user_id,
            visitor_id=asked.visitor_id,
            recent_events=None if events is None else given_events(events),
        )
        trace = trace_of(request.scope)
        trace.timer.lap("parse")
        found = await predictor.predict(PredictCall(call, asked.item_ids), service.release, request.is_disconnected)
        trace.timer.lap("predict")
        document = {
            "request_id": trace.request_id,
            "model_version": found.model_version,
            "behaviours": found.behaviours,
            "items": [
                {"item_id": item.item_id, **dict(zip(found.behaviours, item.probabilities, strict=True))}
                for item in found.items
                if item.probabilities is not None
            ],
            "unknown_item_ids": [item.item_id for item in found.items if item.probabilities is None],
            "degraded": found.degraded,
        }
        return json_response(document)

    return [
        DirectRoute(
            "POST",
            "/predict",
            post_predict,
            answer=PredictAnswer,
            example=_ANSWER,
            problems=(401, 413, 422, 429),
            summary="How likely a user is to view, cart or purchase items",
            operation_id="post_predict",
            tags=[TAG],
            openapi_extra=body_of(PredictRequest, _REQUEST),
        )
    ]
