"""What one request may hold: past a bound it is refused at once, by an answer that is small whatever was sent."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import httpx
import orjson
import pytest
from starlette.applications import Starlette

from app.api.application import HttpOptions, make_application
from app.api.problems import MOST_ERRORS
from app.api.recommend_parsing import Limits
from app.api.schemas import MAX_FIELDS
from app.api.wire_values import MAX_PARAMETERS
from app.engine.selection.filter_parsing import MAX_NODES, MAX_TEXT
from app.serving.services import Services
from app.settings import MAX_LIST

LARGEST_ANSWER = 16_000
Send = Callable[[httpx.Client], httpx.Response]


@pytest.fixture(scope="module")
def client(
    services_of: Callable[..., Services], listening: Callable[[Starlette], AbstractContextManager[httpx.Client]]
) -> Iterator[httpx.Client]:
    """A client of the shop's service with the limits that are set by default."""
    options = HttpOptions(limits=Limits(max_events=1_000, max_item_ids=1_000))
    with listening(make_application(services_of(), options)) as connected:
        yield connected


def post(body: Any, path: str = "/recommend") -> Send:
    return lambda client: client.post(path, content=orjson.dumps(body))


def get(path: str, parameters: list[tuple[str, str]]) -> Send:
    return lambda client: client.get(path, params=parameters)


def refusal(response: httpx.Response) -> dict[str, Any]:
    """The problem of a request that is refused for its size."""
    assert response.status_code == 422, response.text[:200]
    assert len(response.content) < LARGEST_ANSWER
    problem: dict[str, Any] = response.json()
    assert problem["code"] == "invalid_request"
    assert len(problem["errors"]) <= MOST_ERRORS
    return problem


FIELDS = ["title"] * 50_000
CHAINS = [{"all": [{"any": [{"not": {"all": [{"any": []}] * index}}]}]} for index in range(300)]


@pytest.mark.parametrize(
    ("send", "field"),
    [
        pytest.param(post({"k": 200, "fields": FIELDS}), "fields", id="fields"),
        pytest.param(get("/recommend", [("fields", ",".join(FIELDS[:3_500]))]), "fields", id="fields by GET"),
        pytest.param(
            get("/items/p0/similar", [("fields", ",".join(FIELDS[:3_500]))]), "fields", id="fields of similar"
        ),
        pytest.param(post({"facets": ["title"] * 50_000}), "facets", id="facets"),
        pytest.param(post({"facets": ["x" * 600_000]}), "facets.0", id="a long facet"),
        pytest.param(post({"group_by": "x" * 600_000}), "group_by", id="a long group"),
        pytest.param(post({"exclude_item_ids": [7] * 100_000}), "exclude_item_ids", id="excluded numbers"),
        pytest.param(post({"context": {"item_ids": ["p1"] * 100_000}}), "context.item_ids", id="context"),
        pytest.param(post({"recent_events": [{}] * 100_000}), "recent_events", id="empty events"),
        pytest.param(post({"item_ids": [None] * 100_000}, "/predict"), "item_ids", id="predicted items"),
        pytest.param(
            post({"item_ids": ["p1"], "recent_events": [{}] * 100_000}, "/predict"), "recent_events", id="predicted by"
        ),
        pytest.param(post({"filter": {"any": [{"all": []}] * 80_000}}), "filter.any.1023", id="empty conditions"),
        pytest.param(post({"filter": {"all": CHAINS}}), "filter.all", id="chains without conditions"),
        pytest.param(post({"filter": {"field": "title", "eq": "é" * 500_000}}), "filter.eq", id="a long value"),
        pytest.param(post({"boost": [{"factor": 2, "filter": {"any": [{"all": []}] * 9_000}}]}), "boost.0", id="boost"),
    ],
)
def test_what_is_too_much_is_named(client: httpx.Client, send: Send, field: str) -> None:
    problem = refusal(send(client))
    assert any(wrong["field"].startswith(field) for wrong in problem["errors"]), problem


@pytest.mark.parametrize(
    "path", ["/recommend", "/suggest", "/items/p0", "/items/p0/similar", "/models", "/users/u1"], ids=str
)
def test_query_parameters_are_counted(client: httpx.Client, path: str) -> None:
    for pairs in ([(f"a{index}", "") for index in range(4_000)], [("k", "1")] * (MAX_PARAMETERS + 1)):
        problem = refusal(client.get(path, params=pairs))
        assert f"at most {MAX_PARAMETERS} query parameters, got {len(pairs)}" in problem["detail"]


def test_the_last_of_a_repeated_parameter_counts_and_lists_add_up(client: httpx.Client) -> None:
    answer = client.get("/recommend", params=[("k", "9"), ("fields", "title,price"), ("k", "2"), ("fields", "title")])
    assert [list(item["fields"]) for item in answer.json()["items"]] == [["title", "price"]] * 2


@pytest.mark.parametrize("count", [1, MAX_FIELDS])
def test_a_repeated_field_is_answered_once(client: httpx.Client, count: int) -> None:
    body = {"k": 3, "fields": (["title", "price"] * count)[:MAX_FIELDS]}
    answer = client.post("/recommend", json=body).json()
    assert [list(item["fields"]) for item in answer["items"]] == [["title", "price"]] * 3


@pytest.mark.parametrize(
    "body",
    [
        {f"field{index}": 1 for index in range(900)},
        {f"field{index}": 1 for index in range(70_000)},
        {"x" * 900_000: 1},
        {"\u0001" * 150_000: 1},
        {"recent_events": [{f"field{index}": 1 for index in range(90)}] * 900},
        {"context": {"item_ids": [1] * 900}},
        {"k": "9" * 900_000},
        {"objective": "x" * 900_000},
        {"filter": {"field": "x" * 900_000, "eq": 1}},
        {"filter": {"field": "title", "x" * 900_000: 1}},
        {"sort": ["x" * 900_000]},
    ],
    ids=lambda body: next(iter(body))[:12],
)
def test_an_answer_about_wrong_fields_is_small(client: httpx.Client, body: Any) -> None:
    assert refusal(post(body)(client))["detail"]


def test_what_is_within_the_bounds_is_answered(client: httpx.Client) -> None:
    conditions = [{"not": {"field": "title", "eq": "é" * MAX_TEXT}}] * 200
    body = {"filter": {"all": [{"all": conditions}]}, "exclude_item_ids": [f"x{index}" for index in range(1_000)]}
    assert client.post("/recommend", json=body).json()["total"] > 0
    assert 2 * len(conditions) + 1 < MAX_NODES
    assert len(body["exclude_item_ids"]) < MAX_LIST
