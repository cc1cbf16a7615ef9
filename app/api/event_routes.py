"""`POST /events`: each event of a list is accepted or rejected by itself."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, Final
from uuid import uuid4

import orjson
from fastapi.routing import APIRoute
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from starlette.requests import Request
from starlette.responses import Response

from app.api.answers import json_response
from app.api.direct_route import DirectRoute
from app.api.event_schemas import Event, EventsAnswer
from app.api.openapi import bodies_of, responses_with_status
from app.api.wire_values import iso_of, unix_of
from app.api.wire_work import read_request
from app.artifact.behaviours import behaviour_of
from app.artifact.stream_records import EventRecord
from app.errors import InvalidRequest
from app.serving.cooperative import cooperative_map
from app.serving.events import EventService
from app.serving.lanes import Lanes
from app.stores.protocol import UserStore
from app.telemetry.metrics import Metrics

TAG: Final = "Events"
DAY_S: Final = 86_400
_MAX_SHOWN: Final = 40  # characters of what came, in a message
_TYPES: Final = (
    "view, cart, purchase, or their names in Google Retail, GA4, Shopify, Segment, Klaviyo, Algolia or Recombee"
)
_WHOLE: Final = "an event as a JSON object, or a list of them"
_PERSONAL: Final = frozenset(("user_id", "visitor_id", "session_id", "event_id", "request_id", "query"))
ShopTypes = Callable[[], Mapping[str, str]]
_EXAMPLE: Final = {
    "type": "view",
    "user_id": "u1",
    "item_id": "p9",
    "event_id": "5b1f0c52",
    "request_id": "01JDE4M8N2Q0V7T5X3Y1Z9W6CB",
    "position": 3,
}
_ANSWER: Final = {
    "accepted": 1,
    "duplicates": 0,
    "rejected": [
        {
            "index": 1,
            "code": "unknown_type",
            "message": f"type: expected {_TYPES}, got 'wish'",
        }
    ],
    "durable": True,
}


@dataclass(frozen=True, slots=True)
class _Rejection:
    """Why one event is not accepted."""

    code: str
    field: str  # empty for the event as a whole
    reason: str

    @property
    def message(self) -> str:
        return f"{self.field}: {self.reason}" if self.field else self.reason


def event_routes(
    events: EventService,
    store: UserStore,
    max_events: int,
    metrics: Metrics,
    shop_types: ShopTypes = dict,
    lanes: Lanes | None = None,
) -> list[APIRoute]:
    """`POST /events`.

    Args:
        events: stores what is accepted.
        store: says whether what it holds outlives a restart.
        max_events: the most events of one call.
        metrics: counts accepted, duplicate and rejected events.
        shop_types: gives the shop's own words for events, each with its behaviour.
        lanes: large bodies are read there; in lanes of its own by default.
    """
    return [
        DirectRoute(
            "POST",
            "/events",
            partial(post_events, events, store, max_events, metrics, lanes or Lanes(), shop_types),
            answer=EventsAnswer,
            status_code=HTTPStatus.ACCEPTED,
            responses=responses_with_status(HTTPStatus.ACCEPTED, _ANSWER),
            problems=(401, 413, 422, 429, 503),
            summary="Tell what users did",
            operation_id="post_events",
            tags=[TAG],
            openapi_extra=bodies_of(Event, _EXAMPLE),
        )
    ]


async def post_events(
    events: EventService,
    store: UserStore,
    max_events: int,
    metrics: Metrics,
    lanes: Lanes,
    shop_types: ShopTypes,
    request: Request,
) -> Response:
    """An event, or a list of events, of users or visitors.

    An event of a list that is wrong is rejected by itself; a wrong one that is sent alone is a 422. What is
    accepted counts in the user's next recommendations. With an `event_id` an event can be sent again without harm,
    as after a 503.
    """
    sent = await request.body()
    body = await read_request(lanes, len(sent), partial(_parse_body, sent))
    rows = body if isinstance(body, list) else [body]
    _check_length(len(rows), max_events)
    results = await cooperative_map(partial(_parse_event, now=events.now(), shop_types=shop_types()), rows)
    if isinstance(body, dict) and isinstance(rejection := results[0], _Rejection):
        raise InvalidRequest(rejection.message, rejection.field)
    flags = await events.accept([result for result in results if isinstance(result, EventRecord)])
    stored = sum(flags)
    duplicates = len(flags) - stored
    rejected = [
        {"index": index, "code": result.code, "message": result.message}
        for index, result in enumerate(results)
        if isinstance(result, _Rejection)
    ]
    for outcome, number in (("accepted", stored), ("duplicate", duplicates), ("rejected", len(rejected))):
        metrics.count_events(outcome, number)
    answer = {"accepted": stored, "duplicates": duplicates, "rejected": rejected, "durable": store.durable}
    return json_response(answer, HTTPStatus.ACCEPTED)


def _parse_body(body: bytes) -> dict[str, Any] | list[Any]:
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        what = f"no JSON (see line {error.lineno}, column {error.colno})" if body else "nothing"
        raise InvalidRequest(f"the body: expected {_WHOLE}, got {what}") from error
    if not isinstance(parsed, dict | list):
        raise InvalidRequest(f"the body: expected {_WHOLE}, got {_describe(parsed, is_shown=False)}")
    return parsed


def _check_length(length: int, limit: int) -> None:
    if not length:
        raise InvalidRequest("the body: expected at least one event, got an empty list")
    if length > limit:
        raise InvalidRequest(f"the body: at most {limit} events in one call, got {length}: send several calls")


def _parse_event(row: Any, now: float, shop_types: Mapping[str, str]) -> EventRecord | _Rejection:
    if not isinstance(row, dict):
        return _Rejection("invalid_event", "", f"expected an object, got {_describe(row, is_shown=False)}")
    try:
        event = Event.model_validate(row)
    except ValidationError as error:
        return _invalid(error)
    behaviour = behaviour_of(event.type, shop_types)
    if behaviour is None:
        expected = ", ".join([*(repr(word) for word in shop_types), _TYPES])
        return _Rejection("unknown_type", "type", f"expected {expected}, got {_describe(event.type)}")
    if event.user_id is None and event.visitor_id is None and event.session_id is None:
        return _Rejection("no_user", "user_id", "expected a user_id, a visitor_id or a session_id, got none of them")
    time = unix_of(event.time)
    if event.time is not None and not DAY_S <= time <= now + DAY_S:
        expected = f"1970-01-02 to a day after {iso_of(now)}, the time of this service"
        return _Rejection("bad_time", "time", f"expected {expected}, got {event.time.isoformat()}")
    return EventRecord(
        **vars(event)
        | {
            "visitor_id": event.visitor_id or (event.session_id if event.user_id is None else None),
            "event_id": event.event_id or uuid4().hex,  # so that it is stored once, even if Redis is sent it twice
            "type": behaviour,
            "time": now if event.time is None else time,
        }
    )


def _invalid(error: ValidationError) -> _Rejection:
    """The first of the wrong fields, and how many more there are."""
    first, *others = error.errors(include_url=False, include_context=False)
    field = str(first["loc"][0])[:_MAX_SHOWN]
    more = f" (and {len(others)} more)" if others else ""
    return _Rejection("invalid_event", field, f"{_reason(first, field)}{more}")


def _reason(error: ErrorDetails, field: str) -> str:
    if error["type"] == "missing":
        return "it is required"
    if error["type"] == "extra_forbidden":
        return "there is no such field; those of an event are " + ", ".join(Event.model_fields)
    return f"{error['msg']}, got {_describe(error['input'], is_shown=field not in _PERSONAL)}"


def _describe(value: Any, *, is_shown: bool = True) -> str:
    """A value for a message: itself where it is short and says nothing of people, else its kind."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    if isinstance(value, str):
        whole = is_shown and len(value) <= _MAX_SHOWN
        return repr(value) if whole else f"a text of {len(value)} characters"
    if value is None or isinstance(value, bool) or is_shown:
        return orjson.dumps(value).decode()
    return "a number"
