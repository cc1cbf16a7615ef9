"""Users over HTTP: what is stored is shown, erased with a receipt, and joined to a log-in."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from fastapi.openapi.models import OpenAPI
from live_events import entries_of
from redis_process import RedisProcess
from starlette.applications import Starlette
from starlette.middleware import Middleware

from app.api import event_schemas, schemas
from app.api.event_routes import event_routes
from app.api.middleware import RequestTelemetryMiddleware
from app.api.openapi import openapi_document
from app.api.problems import PROBLEM_HANDLERS
from app.api.user_routes import user_routes
from app.artifact.hashing import stable_hash
from app.artifact.people import PARTITIONS, Person, user_hash, visitor_hash
from app.artifact.redis_keys import Keys
from app.artifact.stream_records import FIELD, EraseRecord, MergeRecord, read_event_record
from app.errors import InvalidRequest, UserNotFound
from app.serving.events import EventService
from app.serving.users import UserService
from app.stores.memory import MemoryUserStore
from app.stores.protocol import UserStore
from app.stores.redis_link import RedisAddress
from app.stores.redis_store import RedisUserStore
from app.stores.redis_stores import open_gate
from app.telemetry.metrics import Metrics

NOW = 1_795_428_900.0  # 2026-11-23T10:15:00Z
ITEMS = {stable_hash(item_id): item_id for item_id in ("p1", "p2", "p3")}
NOTHING = {"events": 0, "seen": 0, "purchased": 0, "long_vectors": 0}
Calls = Callable[..., list[httpx.Response]]


def now() -> float:
    return NOW


def item_ids_of(hashes: list[int]) -> list[str | None]:
    return [ITEMS.get(item_hash) for item_hash in hashes]


def application_on(store: UserStore) -> Starlette:
    metrics = Metrics()
    routes = [
        *event_routes(EventService(store, now), store, 100, metrics),
        *user_routes(UserService(store, now), item_ids_of),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(RequestTelemetryMiddleware, metrics=metrics)],
        exception_handlers=PROBLEM_HANDLERS,
    )


@asynccontextmanager
async def serving(store: UserStore) -> AsyncIterator[httpx.AsyncClient]:
    await store.start()
    try:
        transport = httpx.ASGITransport(application_on(store))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            yield client
    finally:
        await store.close()


def redis_store(url: str, prefix: str) -> RedisUserStore:
    keys = Keys(prefix.encode())
    return RedisUserStore(open_gate(RedisAddress(url), keys, 2.0, 5.0), keys)


@pytest.fixture(params=["memory", "redis", "cluster"])
def calls(request: pytest.FixtureRequest) -> Calls:
    """Makes calls, each a method, a path and perhaps a body, one after another on one store of each kind."""
    if request.param == "memory":
        kept = MemoryUserStore()
        return lambda *wanted: made(kept, *wanted)
    server = request.getfixturevalue("redis_server" if request.param == "redis" else "redis_cluster")
    prefix = request.getfixturevalue("redis_prefix")
    return lambda *wanted: made(redis_store(server.url, prefix), *wanted)


def made(store: UserStore, *wanted: tuple[Any, ...]) -> list[httpx.Response]:
    async def run() -> list[httpx.Response]:
        async with serving(store) as client:
            return [
                await client.request(method, path, **({"json": body[0]} if body else {}))
                for method, path, *body in wanted
            ]

    return asyncio.run(run())


def event(item_id: str, age: float, **fields: Any) -> dict[str, Any]:
    return {"type": "view", "user_id": "u1", "item_id": item_id, "time": NOW - age} | fields


def test_one_id_is_the_same_however_its_letters_are_composed(client: httpx.Client, item_ids: list[str]) -> None:
    composed, decomposed = "Zo\u00eb", "Zoe\u0308"
    event = {"type": "view", "user_id": decomposed, "item_id": item_ids[0]}
    assert client.post("/events", json=event).status_code == 202
    found = client.get(f"/users/{composed}").json()
    assert found["user_id"] == composed
    assert found == client.get(f"/users/{decomposed}").json()


def test_what_is_stored_is_shown_newest_last_with_ids_where_the_catalogue_has_them(calls: Calls) -> None:
    events = [event("p2", 0.5, type="purchase"), event("p1", 60), event("gone", 30, type="cart"), event("p1", 10)]
    _, response = calls(("POST", "/events", events), ("GET", "/users/u1"))
    assert response.status_code == 200
    assert response.json() == {
        "user_id": "u1",
        "kind": "user",
        "events": [
            {"item_id": item_id, "item_hash": f"{stable_hash(name):016x}", "type": kind, "time": time}
            for item_id, name, kind, time in [
                ("p1", "p1", "view", "2026-11-23T10:14:00.000Z"),
                (None, "gone", "cart", "2026-11-23T10:14:30.000Z"),
                ("p1", "p1", "view", "2026-11-23T10:14:50.000Z"),
                ("p2", "p2", "purchase", "2026-11-23T10:14:59.500Z"),
            ]
        ],
        "seen": 3,
        "purchased": 1,
        "long_vector_versions": [],
    }
    event_schemas.UserAnswer.model_validate(response.json())


def test_of_an_unknown_user_nothing_is_shown(calls: Calls) -> None:
    (response,) = calls(("GET", "/users/ann@shop.example"))
    assert (response.status_code, response.json()["code"]) == (404, "user_not_found")
    assert "ann@" not in response.text


def test_an_erasure_tells_what_it_removed_and_leaves_nothing(calls: Calls) -> None:
    events = [event("p1", 9), event("p1", 8), event("p2", 7, type="purchase"), event("p3", 6, user_id="u2")]
    _, erased, shown, again, other = calls(
        ("POST", "/events", events),
        ("DELETE", "/users/u1"),
        ("GET", "/users/u1"),
        ("DELETE", "/users/u1"),
        ("GET", "/users/u2"),
    )
    receipt = erased.json()
    assert erased.status_code == 200
    assert (receipt["user_id"], receipt["kind"]) == ("u1", "user")
    assert receipt["user_hash"] == f"{stable_hash('u1'):016x}"
    assert receipt["erased_at"] == "2026-11-23T10:15:00.000Z"
    assert receipt["removed"] == {"events": 3, "seen": 2, "purchased": 1, "long_vectors": 0}
    assert "aisle-offline collect" in receipt["note"]
    assert "aisle-offline run" in receipt["note"]
    event_schemas.ErasureReceipt.model_validate(receipt)
    assert shown.status_code == 404
    assert again.json()["removed"] == NOTHING
    assert len(other.json()["events"]) == 1


def test_an_unknown_user_is_erased_with_a_receipt_of_nothing(calls: Calls) -> None:
    (response,) = calls(("DELETE", "/users/nobody"))
    assert response.status_code == 200
    assert response.json()["removed"] == NOTHING


def test_what_an_erased_user_does_later_is_stored_anew(calls: Calls) -> None:
    *_, response = calls(
        ("POST", "/events", [event("p1", 9, event_id="e")]),
        ("DELETE", "/users/u1"),
        ("POST", "/events", [event("p2", 0, event_id="e")]),
        ("GET", "/users/u1"),
    )
    assert [one["item_id"] for one in response.json()["events"]] == ["p2"]
    assert response.json()["seen"] == 1


def test_what_happened_before_an_erasure_is_not_taken_when_it_is_sent_late(calls: Calls) -> None:
    late = [event("p1", 9), event("p2", 0.5, type="purchase"), event("p3", 0), event("p1", 9, user_id="u2")]
    *_, sent, user, other = calls(
        ("POST", "/events", [event("p1", 60)]),
        ("DELETE", "/users/u1"),
        ("POST", "/events", late),
        ("GET", "/users/u1"),
        ("GET", "/users/u2"),
    )
    assert (sent.json()["accepted"], sent.json()["duplicates"], sent.json()["rejected"]) == (2, 2, [])
    assert [one["item_id"] for one in user.json()["events"]] == ["p3"]
    assert (user.json()["seen"], user.json()["purchased"]) == (1, 0)
    assert len(other.json()["events"]) == 1


def test_a_visitor_becomes_a_user(calls: Calls) -> None:
    events = [
        event("p1", 50),
        event("p2", 40, visitor_id="v1", user_id=None),
        event("p1", 30, visitor_id="v1", user_id=None, type="purchase"),
        event("p3", 20),
    ]
    _, merged, user, visitor, again = calls(
        ("POST", "/events", events),
        ("POST", "/users/u1/merge", {"visitor_id": "v1"}),
        ("GET", "/users/u1"),
        ("GET", "/users/v1?kind=visitor"),
        ("POST", "/users/u1/merge", {"visitor_id": "v1"}),
    )
    assert merged.status_code == 200
    assert merged.json() == {
        "user_id": "u1",
        "visitor_id": "v1",
        "merged": {"events": 2, "seen": 1, "purchased": 1},
    }
    assert [one["item_id"] for one in user.json()["events"]] == ["p1", "p2", "p1", "p3"]
    assert (user.json()["seen"], user.json()["purchased"]) == (3, 1)
    assert visitor.status_code == 404
    assert again.json()["merged"] == {"events": 0, "seen": 0, "purchased": 0}


def test_a_user_and_a_visitor_of_one_id_are_two(calls: Calls) -> None:
    events = [
        event("p1", 50, user_id="same"),
        event("p2", 40, user_id=None, visitor_id="same"),
        event("p3", 30, user_id="same", visitor_id="same"),  # of both: the user's
    ]
    _, user, visitor, merged, left, joined, other = calls(
        ("POST", "/events", events),
        ("GET", "/users/same"),
        ("GET", "/users/same?kind=visitor"),
        ("POST", "/users/u1/merge", {"visitor_id": "same"}),
        ("GET", "/users/same"),
        ("GET", "/users/u1"),
        ("GET", "/users/same?kind=visitor"),
    )
    assert [one["item_id"] for one in user.json()["events"]] == ["p1", "p3"]
    assert [one["item_id"] for one in visitor.json()["events"]] == ["p2"]
    assert (user.json()["kind"], visitor.json()["kind"]) == ("user", "visitor")
    assert merged.json()["merged"] == {"events": 1, "seen": 1, "purchased": 0}
    assert left.json() == user.json()
    assert [one["item_id"] for one in joined.json()["events"]] == ["p2"]
    assert other.status_code == 404


def test_a_merge_with_the_id_of_a_user_takes_nothing(calls: Calls) -> None:
    _, merged, user = calls(
        ("POST", "/events", event("p1", 5, user_id="u2")),
        ("POST", "/users/u1/merge", {"visitor_id": "u2"}),
        ("GET", "/users/u2"),
    )
    assert merged.json()["merged"] == {"events": 0, "seen": 0, "purchased": 0}
    assert len(user.json()["events"]) == 1


def test_a_visitor_is_erased_by_kind_and_the_user_of_that_id_stays(calls: Calls) -> None:
    events = [event("p1", 5, user_id="same"), event("p2", 4, user_id=None, visitor_id="same")]
    _, erased, visitor, user = calls(
        ("POST", "/events", events),
        ("DELETE", "/users/same?kind=visitor"),
        ("GET", "/users/same?kind=visitor"),
        ("GET", "/users/same"),
    )
    receipt = erased.json()
    assert (receipt["kind"], receipt["user_hash"]) == ("visitor", f"{visitor_hash('same'):016x}")
    assert receipt["removed"]["events"] == 1
    assert visitor.status_code == 404
    assert len(user.json()["events"]) == 1


@pytest.mark.parametrize("query", ["kind=guest", "kind=", "kind=visitor&dry_run=true", "kinds=visitor"])
def test_a_kind_that_there_is_not_is_refused(query: str) -> None:
    for method in ("GET", "DELETE"):
        (response,) = made(MemoryUserStore(), (method, f"/users/u1?{query}"))
        assert (response.status_code, response.json()["code"]) == (422, "invalid_request")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"visitor_id": "u1"}, "visitor_id"),
        ({}, "visitor_id"),
        ({"visitor_id": ""}, "visitor_id"),
        ({"visitor_id": "v" * 257}, "visitor_id"),
        ({"visitor_id": "v1", "user_id": "u2"}, "user_id"),
        ([], ""),
    ],
)
def test_a_wrong_merge_is_refused_by_its_field(body: Any, field: str) -> None:
    (response,) = made(MemoryUserStore(), ("POST", "/users/u1/merge", body))
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
    assert [one["field"] for one in response.json()["errors"]] == [field]


@pytest.mark.parametrize("user_id", ["a/b", "/a", "a/", "merge", "a/merge", "a%2Fb", "ä ö?#&", "a\nb\n", "💶"])
def test_an_id_may_hold_what_means_something_in_addresses(calls: Calls, user_id: str) -> None:
    path = f"/users/{quote(user_id, safe='')}"
    _, shown, merged, joined, erased, gone = calls(
        ("POST", "/events", [event("p1", 1, user_id=user_id), event("p2", 0, user_id=None, visitor_id="v")]),
        ("GET", path),
        ("POST", f"{path}/merge", {"visitor_id": "v"}),
        ("GET", path),
        ("DELETE", path),
        ("GET", path),
    )
    assert shown.json()["user_id"] == user_id
    assert merged.json()["merged"]["events"] == 1
    assert len(joined.json()["events"]) == 2
    assert erased.json()["removed"]["events"] == 2
    assert gone.status_code == 404


@pytest.mark.parametrize("path", ["/users/", f"/users/{'u' * 257}"])
def test_an_id_that_is_none_is_refused(path: str) -> None:
    for response in made(MemoryUserStore(), ("GET", path), ("DELETE", path)):
        assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
        assert response.json()["errors"][0]["field"] == "user_id"


def test_ids_that_are_no_utf_8_are_refused_rather_than_taken_for_one_another(calls: Calls) -> None:
    path = "/users/M%FCller"
    answers = calls(
        ("POST", f"{path}/merge", {"visitor_id": "v"}), ("GET", path), ("DELETE", path), ("GET", "/users/M%F6ller")
    )
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
        assert "UTF-8" in answer.json()["detail"]


def test_a_query_parameter_is_refused_and_nothing_is_erased() -> None:
    store = MemoryUserStore()
    _, refused, shown = made(
        store, ("POST", "/events", event("p1", 0)), ("DELETE", "/users/u1?dry_run=true"), ("GET", "/users/u1")
    )
    assert refused.status_code == 422
    assert shown.status_code == 200


def test_erasures_and_merges_are_written_down_for_the_job(redis_server: RedisProcess, redis_prefix: str) -> None:
    made(
        redis_store(redis_server.url, redis_prefix),
        ("POST", "/events", event("p1", 5, user_id=None, visitor_id="v1")),
        ("POST", "/users/u1/merge", {"visitor_id": "v1"}),
        ("DELETE", "/users/u1"),
        ("DELETE", "/users/nobody"),
    )
    keys = Keys(redis_prefix.encode())
    with redis_server.client() as client:
        entries = entries_of(client, keys)
        erased: Any = {}
        for partition in range(PARTITIONS):
            erased |= client.hgetall(keys.erased(partition))
    _, merge, *erasures = [read_event_record(fields[FIELD]) for fields in entries]
    assert merge == MergeRecord(visitor_id="v1", user_id="u1", time=NOW)
    hashes = [user_hash("u1"), user_hash("nobody")]
    assert erasures == [EraseRecord(user_hash=f"{hash_:016x}", time=NOW) for hash_ in hashes]
    assert {int.from_bytes(name, "little"): float(at) for name, at in erased.items()} == dict.fromkeys(hashes, NOW)


def test_a_store_that_is_gone_is_a_503_for_every_call(
    start_redis: Callable[..., AbstractContextManager[RedisProcess]], redis_prefix: str
) -> None:
    with start_redis() as server:
        store = redis_store(server.url, redis_prefix)
        server.kill()
        responses = made(
            store, ("GET", "/users/u1"), ("DELETE", "/users/u1"), ("POST", "/users/u1/merge", {"visitor_id": "v1"})
        )
    assert [(response.status_code, response.json()["code"]) for response in responses] == [
        (503, "store_unavailable")
    ] * 3


def test_without_http_people_are_looked_up_and_joined_by_the_same_rules() -> None:
    people = UserService(MemoryUserStore(), now)
    with pytest.raises(UserNotFound):
        asyncio.run(people.stored(Person("user", "u1")))
    with pytest.raises(InvalidRequest):
        asyncio.run(people.merge("u1", "u1"))


def test_the_calls_are_documented_with_examples_that_keep_their_schemas() -> None:
    store = MemoryUserStore()
    routes = [
        *event_routes(EventService(store, now), store, 100, Metrics()),
        *user_routes(UserService(store, now), item_ids_of),
    ]
    document = openapi_document("Aisle", "0", "", routes, "")
    OpenAPI.model_validate(document)
    answers = {
        ("/events", "post"): ("202", event_schemas.EventsAnswer),
        ("/users/{user_id}", "get"): ("200", event_schemas.UserAnswer),
        ("/users/{user_id}", "delete"): ("200", event_schemas.ErasureReceipt),
        ("/users/{user_id}/merge", "post"): ("200", event_schemas.MergeAnswer),
    }
    operations = {(path, method): one for path, methods in document["paths"].items() for method, one in methods.items()}
    assert set(operations) == set(answers)
    for call, (status, model) in answers.items():
        responses = operations[call]["responses"]
        assert [one for one in responses if one.startswith("2")] == [status]
        model.model_validate(responses[status]["content"]["application/json"]["example"])
        for problem in (one for one in responses if not one.startswith("2")):
            example = responses[problem]["content"]["application/problem+json"]["example"]
            assert schemas.Problem.model_validate(example).status == int(problem)
    bodies = {
        call: one["requestBody"]["content"]["application/json"]
        for call, one in operations.items()
        if "requestBody" in one
    }
    event_schemas.Event.model_validate(bodies["/events", "post"]["example"])
    event_schemas.MergeRequest.model_validate(bodies["/users/{user_id}/merge", "post"]["example"])
    assert {"Event", "MergeRequest"} <= set(document["components"]["schemas"])


def test_a_user_of_the_bundle_is_shown_with_ids_of_the_catalogue_and_erased(
    application_of: Callable[..., Starlette],
    listening: Callable[[Starlette], AbstractContextManager[httpx.Client]],
    users: list[str],
    item_ids: list[str],
    popular: list[str],
) -> None:
    with listening(application_of()) as client:
        shown = client.get(f"/users/{users[0]}").json()
        assert shown["events"]
        assert {event["item_id"] for event in shown["events"]} <= set(item_ids)
        assert shown["seen"] >= len({event["item_id"] for event in shown["events"]})
        receipt = client.delete(f"/users/{users[0]}").json()
        assert receipt["removed"] == {
            "events": len(shown["events"]),
            "seen": shown["seen"],
            "purchased": shown["purchased"],
            "long_vectors": len(shown["long_vector_versions"]),
        }
        assert client.get(f"/users/{users[0]}").status_code == 404
        answer = client.post("/recommend", json={"user_id": users[0]}).json()
        assert [item["item_id"] for item in answer["items"]] == popular[:20]
