"""Errors over HTTP: problem documents with a code and the request's id, and nothing of what is inside."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from app import errors
from app.api.problems import STATUS_OF, status_of
from app.api.recommend_parsing import Limits
from app.artifact.people import user_hash
from app.stores.memory import MemoryUserStore
from app.stores.state import FetchResult, StateRequest

Listening = Callable[[Starlette], AbstractContextManager[httpx.Client]]
Recommend = Callable[..., dict[str, Any]]


class AbsentStore(MemoryUserStore):
    """A store that cannot be reached, or that is at fault itself."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    async def fetch(self, version: str, wanted: Sequence[StateRequest]) -> FetchResult:
        raise self._error


class PartlyRefusingStore(MemoryUserStore):
    """A store of which the part of one person takes no writes."""

    lagging = True

    def __init__(self, person_hash: int) -> None:
        super().__init__()
        self._person_hash = person_hash

    def lags_for(self, person_hash: int) -> bool:
        return person_hash == self._person_hash


def problem_of(response: Any, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert set(problem) == {"type", "title", "status", "detail", "code", "request_id", "errors"}
    assert problem["status"] == status
    assert problem["code"] == code
    assert problem["request_id"] == response.headers["x-request-id"]
    return problem


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"queri": "shoes"}, "queri"),
        ({"context": {"item_id": "p1"}}, "context.item_id"),
        ({"context": {"item_ids": ["p1", ""]}}, "context.item_ids.1"),
        ({"recent_events": [{"item_id": "p1", "kind": "view"}]}, "recent_events.0.kind"),
        ({"recent_events": [{"item_id": "p1", "type": "wish"}]}, "recent_events.0.type"),
        ({"recent_events": [{"item_id": "p1", "time": "soon"}]}, "recent_events.0.time"),
        ({"user_id": 7}, "user_id"),
        ({"k": True}, "k"),
        ({"k": False}, "k"),
        ({"diversity": True}, "diversity"),
        ({"timeout_ms": True}, "timeout_ms"),
        ({"explain": 1}, "explain"),
        ({"explain": 0.0}, "explain"),
        ({"pin": [{"item_id": "p1", "position": True}]}, "pin.0.position"),
        ({"boost": [{"filter": {"field": "price", "lt": 1}, "factor": True}]}, "boost.0.factor"),
        ({"recent_events": [{"item_id": "p1", "time": True}]}, "recent_events.0.time"),
        ({"filter": {"field": "price", "lt": True}}, "filter.lt"),
        ({"filter": {"field": "price", "in": [True]}}, "filter.in.0"),
        ({"filter": {"field": "in_stock", "eq": 1}}, "filter.eq"),
        ({"filter": {"field": "price", "exists": 1}}, "filter.exists"),
        ({"user_id": "u" * 257}, "user_id"),
        ({"exclude_item_ids": "p1"}, "exclude_item_ids"),
        ([], ""),
    ],
)
def test_a_wrong_field_is_named(client: httpx.Client, body: Any, field: str) -> None:
    problem = problem_of(client.post("/recommend", json=body), 422, "invalid_request")
    assert problem["errors"][0]["field"] == field
    assert field in problem["detail"]


@pytest.mark.parametrize("body", [b"{", b"k=20", b"\xff\xfe", b'{"user_id": "\\ud800"}', b'{"k": 1e999}', b"null"])
def test_a_body_that_is_no_request_is_refused(client: httpx.Client, body: bytes) -> None:
    problem = problem_of(client.post("/recommend", content=body), 422, "invalid_request")
    assert problem["detail"]


def test_all_wrong_fields_are_listed(client: httpx.Client) -> None:
    problem = problem_of(client.post("/recommend", json={"k": 0, "user_id": ""}), 422, "invalid_request")
    assert {one["field"] for one in problem["errors"]} == {"k", "user_id"}


@pytest.mark.parametrize("field", ["quantity", "price", "position", "time"])
def test_true_is_no_number_of_an_event(client: httpx.Client, field: str) -> None:
    event = {"type": "view", "user_id": "u", "item_id": "p1", field: True}
    problem = problem_of(client.post("/events", json=event), 422, "invalid_request")
    assert problem["errors"][0]["field"] == field


def test_numbers_and_truth_as_text_stay_what_they_say(client: httpx.Client) -> None:
    assert len(client.get("/recommend?k=3&explain=true&diversity=0.5").json()["items"]) == 3
    assert len(client.get("/recommend?k=3&explain=1").json()["items"][0]["reasons"]) > 0
    assert len(client.post("/recommend", json={"k": "3", "explain": "true"}).json()["items"]) == 3


@pytest.mark.parametrize(
    "path",
    ["/livez", "/readyz", "/metrics", "/openapi.json", "/docs", "/", "/demo/users", "/recommend?k=3", "/suggest?q=a",
     "/items/no-such", "/models", "/nowhere", "/recommend?k=0"],
)  # fmt: skip
def test_a_head_is_answered_as_the_get_without_its_body(client: httpx.Client, path: str) -> None:
    head, got = client.head(path), client.get(path)
    assert (head.status_code, head.content) == (got.status_code, b"")
    assert set(head.headers) == set(got.headers)
    assert head.headers["content-type"] == got.headers["content-type"]
    if path not in {"/metrics", "/recommend?k=3"}:  # which say something else each time
        assert head.headers["content-length"] == got.headers["content-length"]


def test_a_head_is_no_answer_that_is_shown(client: httpx.Client) -> None:
    def shown() -> str:
        lines = client.get("/metrics").text.splitlines()
        return str(
            [line for line in lines if line.startswith(("aisle_online_answers_total", "aisle_impressions_total"))]
        )

    before = shown()
    assert client.head("/recommend?k=3").status_code == 200
    assert shown() == before
    assert client.head("/events").status_code == 405


def test_an_unknown_parameter_is_refused(client: httpx.Client) -> None:
    problem = problem_of(client.get("/recommend?usr=u1"), 422, "invalid_request")
    assert problem["errors"][0]["field"] == "usr"


def test_lists_that_are_too_long_are_refused(client: httpx.Client, limits: Limits) -> None:
    events = [{"item_id": "p"}] * (limits.max_events + 1)
    ids = ["p"] * (limits.max_item_ids + 1)
    for body, field in (
        ({"recent_events": events}, "recent_events"),
        ({"exclude_item_ids": ids}, "exclude_item_ids"),
        ({"context": {"item_ids": ids}}, "context.item_ids"),
    ):
        problem = problem_of(client.post("/recommend", json=body), 422, "invalid_request")
        assert problem["errors"][0]["field"] == field
    assert client.post("/recommend", json={"exclude_item_ids": ids[1:]}).status_code == 200


def test_a_body_that_is_too_large_is_refused_whether_declared_or_not(client: httpx.Client, max_body_bytes: int) -> None:
    large = b" " * (max_body_bytes + 1)

    def chunks() -> Iterator[bytes]:
        yield from (large[place : place + 10_000] for place in range(0, len(large), 10_000))

    problem_of(client.post("/recommend", content=large), 413, "body_too_large")
    problem_of(client.post("/recommend", content=chunks()), 413, "body_too_large")
    assert client.post("/recommend", content=b"{}" + large[3:]).status_code == 200


def test_an_address_that_is_not_there_is_said(client: httpx.Client) -> None:
    for path in ("/recommendations", "/recommend/", "/item", "/metrics/x"):
        assert "/docs" in problem_of(client.get(path), 404, "not_found")["detail"]


def test_a_wrong_method_is_said_with_the_right_ones(client: httpx.Client) -> None:
    response = client.put("/metrics")
    problem_of(response, 405, "method_not_allowed")
    assert response.headers["allow"] == "GET, HEAD"


def test_a_store_that_fails_degrades_the_answer_to_what_the_bundle_knows(
    application_of: Callable[..., Starlette], listening: Listening, recommend: Recommend, users: list[str]
) -> None:
    whole = recommend(user_id=users[0])["items"]
    with listening(application_of(AbsentStore(errors.StoreUnavailable("gone")))) as client:
        answer = client.post("/recommend", json={"user_id": users[0]}).json()
        assert answer["degraded"] == ["user_state"]
        assert answer["items"] == whole
        nobody = client.post("/recommend", json={"user_id": "nobody-has-this-id"}).json()
        assert nobody["degraded"] == ["user_state"]
        assert client.post("/recommend", json={}).json()["degraded"] == []
        assert client.post("/recommend", json={"user_id": "u", "recent_events": []}).json()["degraded"] == []
        assert 'aisle_degraded_answers_total{missing="user_state"} 2.0' in client.get("/metrics").text


def test_a_part_of_the_store_that_refuses_writes_degrades_its_own_people(
    application_of: Callable[..., Starlette], listening: Listening, users: list[str]
) -> None:
    with listening(application_of(PartlyRefusingStore(user_hash(users[0])))) as client:
        degraded = [client.post("/recommend", json={"user_id": user}).json()["degraded"] for user in users[:2]]
        assert degraded == [["user_state"], []]
        assert client.get("/readyz").json()["store_available"] is False


def test_a_defect_is_answered_without_its_nature_and_logged_with_it(
    application_of: Callable[..., Starlette], listening: Listening, caplog: pytest.LogCaptureFixture
) -> None:
    with listening(application_of(AbsentStore(ZeroDivisionError("secret")))) as client:
        response = client.post("/recommend", json={"user_id": "u"}, headers={"x-request-id": "mine"})
        assert 'status="500"' in client.get("/metrics").text
    problem = problem_of(response, 500, "internal_error")
    assert "secret" not in response.text
    assert problem["request_id"] == "mine"
    record = next(record for record in caplog.records if record.name == "app.api.middleware")
    assert record.__dict__["request_id"] == "mine"
    assert record.exc_info is not None


def test_every_error_has_a_status_by_itself_or_by_its_parents() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    assert len(kinds) > 10
    for kind in kinds:
        assert status_of(kind("x")) in STATUS_OF.values()
    assert status_of(errors.BundleCorrupt("x")) == 409
    assert status_of(errors.SettingsError("x")) == 500
    assert status_of(errors.StoreUnavailable("x")) == 503
    assert status_of(errors.ItemNotFound("x")) == 404
    assert status_of(errors.NotYet("x")) == 422
    assert status_of(errors.CallNotYet("x")) == 501
