"""`POST /predict`: how likely a user is to view, cart or purchase the named items within the next session."""

from dataclasses import replace
from functools import partial
from typing import Any, Final

import orjson
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from app.api.answers import json_body_response
from app.api.direct_route import DirectRoute
from app.api.openapi import body_of
from app.api.predict_schemas import PredictAnswer, PredictRequest
from app.api.recommend_parsing import Limits, check_length, parse_history
from app.api.wire_values import has_left_of
from app.api.wire_work import read_request, write_answer
from app.serving.call import RecommendCall
from app.serving.cost import WRITTEN_FIELD_US
from app.serving.predict import PredictCall, Predictions
from app.serving.services import Services
from app.telemetry.stages import trace_of

TAG: Final = "Recommend"
_REQUEST: Final = {"user_id": "u1", "item_ids": ["p3", "p9"]}
_ANSWER: Final = {
    "request_id": "01JDE4M8N2Q0V7T5X3Y1Z9W6CB",
    "model_version": "2026-11-23T10-15-00-3f2a",
    "behaviours": ["view", "cart", "purchase"],
    "calibrated": False,
    "uncalibrated": ["view"],
    "items": [
        {"item_id": "p3", "view": 0.21, "cart": 0.05, "purchase": 0.02},
        {"item_id": "p9", "view": 0.02, "cart": 0.004, "purchase": 0.001},
    ],
    "unknown_item_ids": [],
    "degraded": [],
}


def predict_routes(services: Services, limits: Limits) -> list[APIRoute]:
    """`POST /predict`."""
    return [
        DirectRoute(
            "POST",
            "/predict",
            partial(post_predict, services, limits),
            answer=PredictAnswer,
            example=_ANSWER,
            problems=(401, 413, 422, 429),
            summary="How likely a user is to view, cart or purchase items",
            operation_id="post_predict",
            tags=[TAG],
            openapi_extra=body_of(PredictRequest, _REQUEST),
        )
    ]


async def post_predict(services: Services, limits: Limits, request: Request) -> Response:
    """Probabilities of each behaviour of the user with each item, within the next session.

    Calibrated on held-out users of the training data, among the items that would be recommended to them, and compared
    with what came of other users, once in training and once on test: where too much or too little was promised,
    `calibrated` is false, and `uncalibrated` names the behaviours; their numbers still order items. It is null where
    the bundle does not say. A behaviour that the data does not have is not there; a purchase counts as a cart and a
    view, too.
    """
    body, lanes = await request.body(), services.recommender.lanes
    call = await read_request(lanes, len(body), partial(_read, body, limits))
    trace = trace_of(request.scope)
    trace.timer.lap("parse")
    look = await services.live.look()
    trace.timer.lap("look")
    with services.recommender.right_of_way:
        predictions = await services.predictor.predict(call, look.release, has_left_of(request))
    if look.degraded:
        predictions = replace(predictions, degraded=[*predictions.degraded, *look.degraded])
    trace.timer.lap("predict")
    cost = len(predictions.items) * len(predictions.behaviours) * WRITTEN_FIELD_US
    written = await write_answer(lanes, cost, lambda: orjson.dumps(_document(predictions, trace.request_id)))
    trace.timer.lap("encode")
    return json_body_response(written)


def _read(body: bytes, limits: Limits) -> PredictCall:
    parsed = PredictRequest.model_validate_json(body or b"{}")
    check_length("item_ids", len(parsed.item_ids), limits.max_item_ids)
    history = parse_history(parsed.recent_events, limits)
    user = RecommendCall(
        k=1, user_id=parsed.user_id, visitor_id=parsed.visitor_id, session_id=parsed.session_id, recent_events=history
    )
    return PredictCall(user, parsed.item_ids)


def _document(predictions: Predictions, request_id: str) -> dict[str, Any]:
    return {
        "request_id": request_id,
        "model_version": predictions.model_version,
        "behaviours": predictions.behaviours,
        "calibrated": _all_true(predictions.calibrated),
        "uncalibrated": [
            behaviour
            for behaviour, is_calibrated in zip(predictions.behaviours, predictions.calibrated, strict=True)
            if is_calibrated is False
        ],
        "items": [
            {"item_id": item.item_id, **dict(zip(predictions.behaviours, item.probabilities, strict=True))}
            for item in predictions.items
            if item.probabilities is not None
        ],
        "unknown_item_ids": [item.item_id for item in predictions.items if item.probabilities is None],
        "degraded": predictions.degraded,
    }


def _all_true(answers: list[bool | None]) -> bool | None:
    """False where one of them is, None where one is not known, else true."""
    return False if False in answers else None if None in answers else True
