"""No request of a batch changes another, through the HTTP service and with mixed company."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
from made_up_cursor_keys import CURSOR_KEYS
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette

from app.serving.cursor import read_cursor
from app.serving.services import Services


def requests_of(users: list[str], item_ids: list[str], rng: np.random.Generator, count: int) -> list[dict[str, Any]]:
    """Every kind of request, with lists of all lengths."""
    found: list[dict[str, Any]] = []
    for _ in range(count):
        items = [str(item) for item in rng.choice(item_ids, size=int(rng.integers(1, 40)), replace=False)]
        user = str(rng.choice(users))
        kinds: list[dict[str, Any]] = [
            {"user_id": user},
            {"user_id": user, "context": {"item_ids": items[:3]}, "explain": True},
            {"recent_events": [{"item_id": item} for item in items]},
            {"recent_events": [{"item_id": item} for item in items], "objective": "purchase", "explain": True},
            {"user_id": user, "query": "black", "objective": "cart", "explain": True},
            {"query": "grey", "boost": [{"filter": {"field": "price", "lt": 60}, "factor": 2}], "explain": True},
            {"visitor_id": user, "exclude_item_ids": items},
            {"user_id": "nobody-has-this-id"},
            {"recent_events": [{"item_id": items[0], "time": "2024-01-01T00:00:00Z"}], "fields": ["title"]},
        ]
        found.append({"k": int(rng.choice([1, 20, 200])), **kinds[int(rng.integers(len(kinds)))]})
    return found


async def ask(client: httpx.AsyncClient, request: dict[str, Any]) -> Any:
    response = await client.post("/recommend", json=request, headers={"x-request-id": "same"})
    assert response.status_code == 200, response.text
    answer = response.json()
    if answer["next_cursor"] is not None:  # it says when it expires, too
        answer["next_cursor"] = read_cursor(answer["next_cursor"], CURSOR_KEYS).rows.tolist()
    return answer


async def largest_batch(client: httpx.AsyncClient) -> float:
    """The lower bound of the last bucket that any batch fell into."""
    families = text_string_to_metric_families((await client.get("/metrics")).text)
    family = next(family for family in families if family.name == "aisle_batch_size")
    counts = [(float(s.labels["le"]), s.value) for s in family.samples if s.name == "aisle_batch_size_bucket"]
    return max([bound for bound, value in counts if value < counts[-1][1]], default=0.0)


def test_answers_are_the_same_alone_and_in_any_batch(
    application_of: Callable[..., Starlette],
    services_of: Callable[..., Services],
    users: list[str],
    item_ids: list[str],
) -> None:
    async def compare() -> None:
        rng = np.random.default_rng(5)
        requests = requests_of(users, item_ids, rng, 100)
        transport = httpx.ASGITransport(application_of(services=services_of(timeout_ms=60_000.0)))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            alone = [await ask(client, request) for request in requests]
            assert await largest_batch(client) == 0.0
            for _ in range(3):
                order = rng.permutation(len(requests))
                together = await asyncio.gather(*(ask(client, requests[place]) for place in order))
                assert together == [alone[place] for place in order]
            assert await largest_batch(client) >= 8

    asyncio.run(compare())


def test_a_bad_request_among_good_ones_harms_only_itself(
    application_of: Callable[..., Starlette], users: list[str]
) -> None:
    async def compare() -> None:
        transport = httpx.ASGITransport(application_of())
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            bodies = [{"user_id": user} if number % 2 else {"k": 0} for number, user in enumerate(users)]
            answers = await asyncio.gather(*(client.post("/recommend", json=body) for body in bodies))
            assert [answer.status_code for answer in answers] == [200 if "user_id" in body else 422 for body in bodies]

    asyncio.run(compare())
