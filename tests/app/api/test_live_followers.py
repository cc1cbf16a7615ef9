"""Who asks again and again what changed behind a number misses nothing, whoever writes meanwhile."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

WRITERS = 3
WRITTEN = 60  # items of each


@pytest.fixture
def client(
    application_of: Callable[..., Starlette], listening: Callable[..., AbstractContextManager[httpx.Client]]
) -> Iterator[httpx.Client]:
    with listening(application_of()) as client:
        yield client


def changes(client: httpx.Client, behind: int, **fields: Any) -> dict[str, Any]:
    response = client.get("/items", params={"changed_since": behind, "limit": 1_000, **fields})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def test_a_follower_that_goes_on_from_each_answer_ends_with_all(client: httpx.Client) -> None:
    names = [[f"g{number}-{place}" for place in range(WRITTEN)] for number in range(WRITERS)]

    def write(ids: list[str]) -> None:
        with httpx.Client(base_url=client.base_url, timeout=30) as own:
            for item_id in ids:
                assert own.put(f"/items/{item_id}", json={"title": "Followed"}).status_code == 200

    threads = [threading.Thread(target=write, args=(ids,)) for ids in names]
    for thread in threads:
        thread.start()
    behind, seen = 0, set[int]()
    while any(thread.is_alive() for thread in threads) or len(seen) < WRITERS * WRITTEN:
        answer, everything = changes(client, behind), changes(client, 0)
        numbers = {item["sequence"] for item in answer["items"]}
        assert numbers == set(range(behind + 1, answer["sequence"] + 1))
        assert {item["sequence"] for item in everything["items"]} == set(range(1, everything["sequence"] + 1))
        seen |= numbers
        behind = answer["sequence"]
    assert seen == set(range(1, WRITERS * WRITTEN + 1))


def test_a_number_that_the_catalogue_has_not_reached_is_of_another_one(client: httpx.Client) -> None:
    assert changes(client, 5) == {"items": [], "sequence": 0, "epoch": "", "next_after": None}
    client.put("/items/new", json={"title": "New"})
    answer = changes(client, 5)
    assert ([item["item_id"] for item in answer["items"]], answer["sequence"]) == (["new"], 1)
    assert changes(client, 1)["items"] == []
    assert answer["epoch"]
    assert answer["epoch"] == client.get("/items", params={"limit": 1}).json()["epoch"]
