"""What the contract has and this version has not is said, never left out in silence."""

import httpx
import pytest

from app.api.later_routes import CALLS_NOT_YET


@pytest.mark.parametrize(("method", "path"), CALLS_NOT_YET)
def test_a_call_that_is_not_served_yet_says_so(client: httpx.Client, method: str, path: str) -> None:
    response = client.request(method, path.replace("{id:id}", "x"))
    assert response.status_code == 501
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == "not_yet"
    assert response.json()["request_id"]


def test_a_session_stands_for_a_visitor_of_whom_nothing_else_is_known(
    client: httpx.Client, item_ids: list[str]
) -> None:
    popular = client.post("/recommend", json={"session_id": "s-1"}).json()["items"]
    event = {"type": "view", "item_id": item_ids[5], "session_id": "s-1"}
    assert client.post("/events", json=event).json()["accepted"] == 1
    answer = client.post("/recommend", json={"session_id": "s-1", "explain": True}).json()
    assert answer["items"] != popular
    assert {"viewed"} <= {reason["kind"] for item in answer["items"] for reason in item["reasons"]}
    assert client.get("/recommend", params={"session_id": "s-1"}).json()["items"] != popular
    known = {"visitor_id": "v-1", "session_id": "s-1"}
    assert client.post("/recommend", json=known).json()["items"] != popular
    event = {"type": "view", "item_id": item_ids[9], "visitor_id": "v-1", "session_id": "s-2"}
    assert client.post("/events", json=event).json()["accepted"] == 1
    of_visitor = client.post("/recommend", json={"visitor_id": "v-1"}).json()["items"]
    assert client.post("/recommend", json={"visitor_id": "v-1", "session_id": "s-2"}).json()["items"] == of_visitor
    assert client.post("/predict", json={"session_id": "s-1", "item_ids": item_ids[:2]}).status_code == 200
