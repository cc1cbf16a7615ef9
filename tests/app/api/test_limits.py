"""The table of limits is true: what goes past each bound is answered with the status and the code of its row.

Each row of `LIMITS` has an entry here: in `BEYOND` the call that goes past it, or in `SHOWN_BY` the tests that show it
where that takes more than one call.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from starlette.applications import Starlette

from app.api.application import HttpOptions, make_application
from app.api.limits import LIMITS, Limit, describe_limits
from app.api.recommend_parsing import Limits
from app.serving.services import Services
from app.settings import PREFIX

ROOT = Path(__file__).parents[3]
RATE = 2  # calls a second
Beyond = Callable[[int], dict[str, Any]]


def body(make: Callable[[int], Any], path: str = "/recommend") -> Beyond:
    """A call whose body is made of a number."""
    return lambda count: {"method": "POST", "url": path, "content": orjson.dumps(make(count))}


def nested(depth: int) -> dict[str, Any]:
    """A filter of so many levels."""
    condition: dict[str, Any] = {"field": "price", "lt": 1}
    for _ in range(depth - 1):
        condition = {"not": condition}
    return condition


def conditions(count: int) -> dict[str, Any]:
    return {"field": "price", "lt": 1} if count == 1 else {"any": [{"field": "price", "lt": 1}] * count}


def boosted(first: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """Boosts with so many conditions in all, 200 of them in the first."""
    return [{"filter": first, "factor": 1}, {"filter": conditions(count - 200), "factor": 1}]


def rules(count: int) -> list[dict[str, Any]]:
    return [{"filter": conditions(1), "factor": 1}] * count


# What is at the bound for the bound itself, and past it for a number that is larger by one.
BEYOND: dict[str, Beyond] = {
    "body": lambda count: {"method": "POST", "url": "/recommend", "content": b"{}" + b" " * (count - 2)},
    "parameters": lambda count: {"method": "GET", "url": "/recommend", "params": [("k", "1")] * count},
    "k": body(lambda count: {"k": count}),
    "limit": lambda count: {"method": "GET", "url": "/suggest", "params": {"limit": count}},
    "query": body(lambda count: {"query": "x" * count}),
    "id": body(lambda count: {"user_id": "x" * count}),
    "name": body(lambda count: {"facets": ["x" * count]}),
    "recent_events": body(lambda count: {"recent_events": [{"item_id": "p1"}] * count}),
    "item_ids": body(lambda count: {"exclude_item_ids": ["p1"] * count}),
    "batch_body": lambda count: {
        "method": "POST",
        "url": "/items/batch",
        "content": b'{"operations": []}' + b" " * (count - 18),
    },
    "operations": body(lambda count: {"operations": [{"delete": ""}] * count}, "/items/batch"),
    "lines": lambda count: {
        "method": "POST",
        "url": "/items/batch",
        "content": b'{"put":1}\n' * count,
        "headers": {"content-type": "application/x-ndjson"},
    },
    "item": lambda count: {"method": "PUT", "url": "/items/x", "content": b'{"title":"x"}' + b" " * (count - 13)},
    "json_levels": lambda count: {
        "method": "PUT",
        "url": "/items/x",
        "params": {"new_columns": "keep"},
        "content": b'{"deep":' + b"[" * (count - 1) + b"]" * (count - 1) + b"}",
    },
    "values": lambda count: {"method": "PUT", "url": "/items/x", "json": {"category": ["x"] * count}},
    "listed": lambda count: {"method": "GET", "url": "/items", "params": {"limit": count}},
    "events": body(lambda count: [{"type": "view", "item_id": "p1", "user_id": "u"}] * count, "/events"),
    "fields": body(lambda count: {"k": 1, "fields": ["title"] * count}),
    "facets": body(lambda count: {"facets": ["price"] * count}),
    "boost": body(lambda count: {"boost": rules(count)}),
    "pin": body(lambda count: {"pin": [{"item_id": f"x{i}", "position": i + 1} for i in range(count)]}),
    "filter_depth": body(lambda count: {"filter": nested(count)}),
    "filter_conditions": body(lambda count: {"filter": conditions(count)}),
    "filter_nodes": body(lambda count: {"filter": {"any": [{"all": []}] * (count - 1)}}),
    "filter_values": body(lambda count: {"filter": {"field": "title", "in": [f"t{i}" for i in range(count)]}}),
    "conditions": body(lambda count: {"filter": conditions(200), "boost": boosted(conditions(200), count - 200)}),
    "reasons": body(
        lambda count: {"k": 200, "explain": True, "recent_events": [], "boost": rules(-(-count // 200) - 2)}
    ),
    "filter_text": body(lambda count: {"filter": {"field": "title", "eq": "x" * count}}),
    "cursor": body(lambda count: {"cursor": "x" * count}),
    "longest_timeout": body(lambda count: {"timeout_ms": count}),
    "wrong_fields": body(lambda count: {f"field{i}": 1 for i in range(count)}),
}
REFUSED_EITHER_WAY = {"name", "cursor", "wrong_fields"}  # nothing that is as large would be right

CONNECTIONS = "tests/app/server/test_connections.py"
SHOWN_BY = {
    "head": (CONNECTIONS, '431, "head_too_large"'),
    "target": (CONNECTIONS, '414, "target_too_long"'),
    "headers": (CONNECTIONS, "(MAX_HEADERS + 1)"),
    "framing": (CONNECTIONS, 'b";x="'),
    "head_time": (CONNECTIONS, '408, "request_timeout"'),
    "body_time": (CONNECTIONS, "test_a_body_that_does_not_come_is_waited_for_so_long"),
    "batch_time": (CONNECTIONS, "test_a_large_body_is_waited_for_longer"),
    "completion": ("tests/app/api/test_live_bodies.py", "<= 240"),
    "rejected": ("tests/app/api/test_live_catalogue.py", "rejected_count"),
    "catalogue_wait": ("tests/app/api/test_live_faults.py", '["catalogue"]'),
    "held_bodies": (CONNECTIONS, '503, "body_crowded_out"'),
    "pipelined": (CONNECTIONS, "count > MAX_PIPELINED"),
    "answer_time": (CONNECTIONS, "test_an_answer_that_is_not_taken_is_kept_so_long"),
    "unread_answers": (CONNECTIONS, "test_answers_that_are_not_taken_hold_so_much"),
    "idle_time": (CONNECTIONS, "test_an_idle_connection_is_kept_so_long"),
    "connections": (CONNECTIONS, "test_connections_that_wait_shut_nobody_out"),
    "rate": ("tests/app/api/test_keys.py", '"overloaded"'),
    "cursor_age": ("tests/app/serving/test_cursor.py", "cursor_expired"),
    "pending": ("tests/app/serving/test_deadline.py", '"overloaded"'),
    "timeout": ("tests/app/serving/test_deadline.py", '["timeout"]'),
    "redis_read": ("tests/app/api/test_faults.py", "user_state"),
    "redis_write": ("tests/app/api/test_faults.py", "503"),
    "operators": ("tests/app/engine/test_operators.py", "MOST_OPERATORS"),
    "texts_read": ("tests/app/engine/test_operators.py", "MOST_READ"),
    "masks": ("tests/app/engine/test_mask_cache.py", "cache"),
}


@pytest.fixture(scope="module")
def client(
    services_of: Callable[..., Services], listening: Callable[[Starlette], AbstractContextManager[httpx.Client]]
) -> Iterator[httpx.Client]:
    """A client of a service with the limits that hold if nothing is set, and one that is said to be another."""
    options = HttpOptions(
        limits=Limits(max_events=1_000, max_item_ids=1_000),
        limit_values={"rate_per_key": RATE},
    )
    with listening(make_application(services_of(), options)) as connected:
        yield connected


def test_every_row_is_shown_to_be_true() -> None:
    names = [limit.name for limit in LIMITS]
    assert len(set(names)) == len(names)
    assert set(names) == BEYOND.keys() | SHOWN_BY.keys()
    assert BEYOND.keys().isdisjoint(SHOWN_BY)


@pytest.mark.parametrize("limit", [limit for limit in LIMITS if limit.name in BEYOND], ids=lambda limit: limit.name)
def test_what_goes_past_a_bound_is_answered_as_the_table_says(client: httpx.Client, limit: Limit) -> None:
    bound, call = int(limit.default), BEYOND[limit.name]
    at_the_bound, past_it = client.request(**call(bound)), client.request(**call(bound + 1))
    assert (past_it.status_code, past_it.json()["code"]) == limit.answer
    if limit.name == "wrong_fields":
        assert len(at_the_bound.json()["errors"]) == len(past_it.json()["errors"]) == bound
    elif limit.name in REFUSED_EITHER_WAY:
        assert past_it.json()["detail"] != at_the_bound.json()["detail"]
    else:
        assert at_the_bound.is_success, at_the_bound.text


@pytest.mark.parametrize("name", SHOWN_BY)
def test_what_another_test_shows_is_shown_there(name: str) -> None:
    path, text = SHOWN_BY[name]
    assert text in (ROOT / path).read_text("utf-8")


def test_the_document_of_the_api_has_the_table_with_what_is_set(client: httpx.Client) -> None:
    shown = client.get("/openapi.json").json()["x-limits"]
    assert shown == orjson.loads(orjson.dumps(describe_limits({"rate_per_key": RATE})))
    by_name = {row["name"]: row for row in shown}
    assert list(by_name) == [limit.name for limit in LIMITS]
    assert by_name["rate"]["value"] == RATE
    assert by_name["body"] == {
        "name": "body",
        "bounds": "a request body",
        "value": 1_048_576,
        "unit": "bytes",
        "setting": "AISLE_MAX_BODY_BYTES",
        "status": 413,
        "code": "body_too_large",
        "then": "",
    }


def test_the_page_of_settings_has_the_table_with_the_defaults() -> None:
    page = (ROOT / "app" / "SETTINGS.md").read_text("utf-8")
    for row in (
        "| a request body | 1 MiB | `AISLE_MAX_BODY_BYTES` | 413 | `body_too_large` |",
        "| query parameters of one call, a repeated one counted each time | 100 |  | 422 | `invalid_request` |",
    ):
        assert row in page
    for limit in LIMITS:
        line = next(line for line in page.splitlines() if line.startswith(f"| {limit.bounds} | "))
        assert limit.setting is None or f"`{PREFIX}{limit.setting.upper()}`" in line
        assert not re.search(r"\|  \|  \|$", line) or limit.answer[0] is None
