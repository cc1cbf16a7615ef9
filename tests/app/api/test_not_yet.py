"""What the contract has and this version has not is said, never left out in silence."""

from typing import Any

import httpx
import pytest

from app.api.item_routes import CALLS_NOT_YET
from app.api.schemas import NOT_YET

GIVEN: dict[str, Any] = {
    "session_id": "s1",
    "cursor": "abc",
    "filter": {"all": [{"field": "category", "in": ["Shoes"]}, {"not": {"field": "brand", "eq": "Acme"}}]},
    "boost": [{"filter": {"field": "brand", "eq": "Own"}, "factor": 1.2}],
    "facets": ["category", "brand"],
    "sort": "price_asc",
    "group_by": "brand",
}


@pytest.mark.parametrize("field", NOT_YET)
def test_a_field_that_is_not_served_yet_says_so(client: httpx.Client, field: str) -> None:
    response = client.post("/recommend", json={field: GIVEN[field]})
    assert response.status_code == 422
    problem = response.json()
    assert problem["code"] == "not_yet"
    assert problem["errors"][0]["field"] == field
    assert field in problem["detail"]


@pytest.mark.parametrize("field", NOT_YET)
def test_a_parameter_that_is_not_served_yet_says_so(client: httpx.Client, field: str) -> None:
    problem = client.get("/recommend", params={field: "purchased"}).json()
    assert (problem["status"], problem["code"]) == (422, "not_yet")


def test_a_field_that_asks_for_nothing_is_no_reason_to_refuse(client: httpx.Client) -> None:
    nothing = dict.fromkeys(NOT_YET) | {"exclude": "none"}
    assert client.post("/recommend", json=nothing).status_code == 200


@pytest.mark.parametrize(("method", "path"), CALLS_NOT_YET)
def test_a_call_that_is_not_served_yet_says_so(client: httpx.Client, method: str, path: str) -> None:
    address = path.replace("{item_id:path}", "p1").replace("{user_id:path}", "u1").replace("{version}", "v1")
    response = client.request(method, address)
    assert response.status_code == 501
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == "not_yet"
    assert response.json()["request_id"]
