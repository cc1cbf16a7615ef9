"""`/users/{id}`: show what is stored of a user or a visitor, erase it, merge a visitor into a user."""

from collections.abc import Callable
from functools import partial
from typing import Final

from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from app.api.answers import json_response
from app.api.direct_route import DirectRoute
from app.api.event_schemas import ErasureReceipt, MergeAnswer, MergeRequest, PersonParameters, UserAnswer
from app.api.openapi import body_of, parameter, problem_with
from app.api.schemas import Id, NoParameters
from app.api.wire_values import fields_of, iso_of
from app.artifact.behaviours import BEHAVIOUR_NAMES
from app.artifact.people import Person
from app.errors import InvalidRequest, UserNotFound
from app.serving.users import UserService

TAG: Final = "Users"
_LATER: Final = (
    "What was collected into log files, of visitors who were merged into this user too, is dropped by the next "
    "`aisle-offline collect`, with the notes of what was shown. Older bundles on disk hold the past until they are "
    "removed, and no service reads it; those of the next `aisle-offline run` are without it. The shop's own logs are "
    "the shop's to clean."
)
_NOW: Final = (
    "This service no longer uses anything from before that time for this id, and takes no event from before it that is "
    "sent later"
)
NOTES: Final = {
    ("redis", True): f"{_NOW}, nor does any other replica after some seconds; one that starts while Redis is down uses "
    "no past of bundles at all. Ids of events of merged visitors go by themselves, within an hour. "
    f"{_LATER}",
    ("redis", False): f"{_NOW}, nor does any other replica after some seconds. Redis may lose the erasure with its "
    "memory, since it keeps no append-only file: erase again if that happens before the next `aisle-offline publish` "
    f"has written it down beside the bundles. {_LATER}",
    ("memory", True): f"{_NOW}, after a restart neither: it is in the list of erasures beside the bundle. {_LATER}",
    ("memory", False): f"{_NOW}, until it ends. The list of erasures beside the bundle cannot be written, so that a "
    f"restart brings the bundle's past back: make its folder writable and erase again. {_LATER}",
}
"""What a receipt says, by the kind of the store and whether the erasure is durable."""


_ID: Final = TypeAdapter[str](Id)
_USER_ID: Final = parameter("path", "user_id", "string", "The id of a user; it may contain slashes.", "u1")
_PERSON_ID: Final = parameter(
    "path", "user_id", "string", "The id of a user, or of a visitor with `kind`; it may contain slashes.", "u1"
)
_KIND: Final = parameter(
    "query", "kind", "string", "`user` (when left out) or `visitor`: whose id it is.", "user", ("user", "visitor")
)
_EXAMPLE: Final = {
    "user_id": "u1",
    "kind": "user",
    "events": [
        {"item_id": "p9", "item_hash": "2f1c9d0e7a64b835", "type": "view", "time": "2026-11-23T10:15:00.000Z"},
        {"item_id": None, "item_hash": "90b1c1ffee20d417", "type": "purchase", "time": None},
    ],
    "seen": 41,
    "purchased": 3,
    "long_vector_versions": ["2026-11-23T10-15-00-3f2a"],
}
_RECEIPT: Final = {
    "user_id": "u1",
    "kind": "user",
    "user_hash": "6a0f3d52c81e97b4",
    "erased_at": "2026-11-23T10:15:00.000Z",
    "removed": {"events": 12, "seen": 41, "purchased": 3, "long_vectors": 1},
    "durable": True,
    "note": NOTES["redis", True],
}
_MERGED: Final = {"user_id": "u1", "visitor_id": "v1", "merged": {"events": 4, "seen": 3, "purchased": 0}}
_NOT_FOUND: Final = problem_with(
    404, UserNotFound.code, "Nothing is stored of that user", "nothing is stored under this id"
)


ItemIdsOf = Callable[[list[int]], list[str | None]]
"""The ids of items by their stable hashes, `None` for those that the catalogue lacks."""


def user_routes(users: UserService, item_ids_of: ItemIdsOf) -> list[APIRoute]:
    """`GET` and `DELETE /users/{id}`, and `POST /users/{id}/merge`."""
    return [
        DirectRoute(
            "POST",
            "/users/{user_id:id}/merge",
            partial(merge_user, users),
            answer=MergeAnswer,
            example=_MERGED,
            problems=(401, 403, 413, 422, 429, 503),
            summary="Join a visitor to a user",
            operation_id="merge_user",
            tags=[TAG],
            openapi_extra={"parameters": [_USER_ID], **body_of(MergeRequest, {"visitor_id": "v1"})},
        ),
        DirectRoute(
            "GET",
            "/users/{user_id:id}",
            partial(get_user, users, item_ids_of),
            answer=UserAnswer,
            example=_EXAMPLE,
            problems=(401, 403, 422, 429, 503),
            responses=_NOT_FOUND,
            summary="What is stored of a user or a visitor",
            operation_id="get_user",
            tags=[TAG],
            openapi_extra={"parameters": [_PERSON_ID, _KIND]},
        ),
        DirectRoute(
            "DELETE",
            "/users/{user_id:id}",
            partial(delete_user, users),
            answer=ErasureReceipt,
            example=_RECEIPT,
            problems=(401, 403, 422, 429, 503),
            summary="Erase a user or a visitor",
            operation_id="delete_user",
            tags=[TAG],
            openapi_extra={"parameters": [_PERSON_ID, _KIND]},
        ),
    ]


async def get_user(users: UserService, item_ids_of: ItemIdsOf, request: Request) -> Response:
    """All that is stored of a user, or with `kind=visitor` of a visitor: recent events, items seen, vectors.

    A user and a visitor of the same id are two: neither call shows anything of the other.
    """
    person = _person(request)
    user = await users.stored(person)
    hashes = user.event_items.tolist()
    events = zip(item_ids_of(hashes), hashes, user.event_types.tolist(), user.event_times.tolist(), strict=True)
    return json_response(
        {
            "user_id": person.id,
            "kind": person.kind,
            "events": [
                {
                    "item_id": item_id,
                    "item_hash": f"{item_hash:016x}",
                    "type": BEHAVIOUR_NAMES[behaviour],
                    "time": iso_of(time),
                }
                for item_id, item_hash, behaviour, time in events
            ],
            "seen": len(user.seen),
            "purchased": len(user.purchased),
            "long_vector_versions": user.long_vector_versions,
        }
    )


async def delete_user(users: UserService, request: Request) -> Response:
    """Erase all that is stored of a user, or with `kind=visitor` of a visitor; a receipt says what, and what goes when.

    An id that nothing is stored of is erased too: collected logs may know it. A user and a visitor of the same id are
    two: erase both where both are the same person.
    """
    person = _person(request)
    erasure = await users.erase(person)
    counts = erasure.counts
    return json_response(
        {
            "user_id": person.id,
            "kind": person.kind,
            "user_hash": erasure.user_hash,
            "erased_at": iso_of(erasure.time),
            "removed": {
                "events": counts.events,
                "seen": counts.seen,
                "purchased": counts.purchased,
                "long_vectors": counts.long_vectors,
            },
            "durable": erasure.durable,
            "note": NOTES["redis" if users.store_name == "redis" else "memory", erasure.durable],
        }
    )


async def merge_user(users: UserService, request: Request) -> Response:
    """Join a visitor to a user, at log-in: what the visitor did is the user's from now on.

    The answer counts what the user did not have yet. Nothing is left of the visitor, so that a second merge moves
    nothing. `visitor_id` names a visitor: what is stored of a user of that id stays theirs.
    """
    NoParameters.model_validate(fields_of(request.query_params))
    user_id = _id(request)
    merge = MergeRequest.model_validate_json(await request.body() or b"{}")
    counts = await users.merge(merge.visitor_id, user_id)
    merged = {"events": counts.events, "seen": counts.seen, "purchased": counts.purchased}
    return json_response({"user_id": user_id, "visitor_id": merge.visitor_id, "merged": merged})


def _person(request: Request) -> Person:
    return Person(PersonParameters.model_validate(fields_of(request.query_params)).kind, _id(request))


def _id(request: Request) -> str:
    try:
        return _ID.validate_python(request.path_params["user_id"])
    except ValidationError as error:
        raise InvalidRequest(f"user_id: {error.errors(include_url=False)[0]['msg']}", "user_id") from error
