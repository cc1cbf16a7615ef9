"""Whatever was done to a catalogue in whatever order: it answers as one that began with what came of it."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from random import Random
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from app.engine.live import tier_stack
from app.stores.catalogue import CatalogueChange, CatalogueStore
from app.stores.memory_catalogue import MemoryCatalogueStore

WORDS = ("trail", "lamp", "Zorvex", "gloamkettle", "knife", "wool", "RX-200", "blue", "kettle", "steel", "everyday")
BRANDS = ("Zorvex", "zorvex", "Wrombo", "Blue Ox", None)
CATEGORIES = ("Kettles > Electric", ["Kettles", "Gifts > Home"], "Lamps", None)
STEPS = 60
CHECKED_EVERY = 20


def document(rng: Random) -> dict[str, Any]:
    fields = {
        "title": " ".join(rng.choices(WORDS, k=rng.randint(1, 4))),
        "brand": rng.choice(BRANDS),
        "category": rng.choice(CATEGORIES),
        "price": rng.choice((None, 3.5, 12.0, 99.0)),
        "in_stock": rng.choice((True, False, None)),
        "description": rng.choice((None, "Boils quibblewater.", "Made of steel and wool.")),
        "added": 1_600_000_000 + rng.randrange(1_000),
    }
    return {name: value for name, value in fields.items() if value is not None}


def operation(rng: Random, bundled: list[str]) -> dict[str, Any]:
    """Something that happens to an item of the bundle or to one of a dozen others."""
    item_id = rng.choice(bundled[:12]) if rng.random() < 0.4 else f"new-{rng.randrange(12)}"
    kind = rng.random()
    if kind < 0.45:
        return {"put": {"item_id": item_id} | document(rng)}
    if kind < 0.8:
        fields = document(rng)
        chosen = rng.sample(sorted(fields), k=min(len(fields), 2))
        cleared = {rng.choice(("brand", "price", "description")): None} if rng.random() < 0.3 else {}
        return {"patch": {"item_id": item_id} | {name: fields[name] for name in chosen} | cleared}
    if kind < 0.9:
        return {"patch": {"item_id": item_id, "hidden": rng.random() < 0.5}}
    return {"delete": item_id}


def requests(rng: Random, bundled: list[str]) -> list[dict[str, Any]]:
    made = [
        {"query": " ".join(rng.choices((*WORDS, "gloamketle", "zorv", "quibblewater", "kettles"), k=rng.randint(1, 3)))}
        for _ in range(12)
    ]
    made += [{"query": '"zorvex kettle"'}, {"query": "kettle -steel"}, {"query": "new-3"}, {"query": "rx200"}]
    made += [
        {"filter": {"field": "brand", "in": ["zorvex", "Wrombo"]}},
        {"filter": {"field": "category", "in": ["Kettles"]}, "sort": "price_asc"},
        {"filter": {"not": {"field": "in_stock", "eq": True}}, "sort": "newest"},
        {"filter": {"field": "price", "gte": 3, "lt": 50}, "sort": "price_desc"},
        {"query": "kettle", "filter": {"field": "price", "exists": True}, "group_by": "brand"},
        {"context": {"item_ids": [rng.choice(bundled), "new-1"]}},
        {"recent_events": [{"item_id": "new-2"}, {"item_id": bundled[3], "type": "purchase"}], "explain": True},
        {
            "pin": [{"item_id": "new-4", "position": 2}],
            "boost": [{"filter": {"field": "brand", "eq": "Wrombo"}, "factor": 5}],
        },
        {},
    ]
    return [
        {"k": 50, "facets": ["brand", "category", "price", "in_stock"], "fields": ["title", "price"]} | one
        for one in made
    ]


def answers(client: httpx.Client, rng: Random, bundled: list[str]) -> list[Any]:
    told = []
    for request in requests(rng, bundled):
        answer = client.post("/recommend", json=request).json()
        assert answer.pop("degraded", []) == []
        answer.pop("request_id")
        answer.pop("next_cursor")
        told.append((request, answer))
    told += [("suggest", client.get("/suggest", params={"q": q}).json()) for q in ("", "zor", "ket", "gloamketl")]
    return told


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_changed_catalogue_answers_like_one_that_began_so(
    services_of: Callable[..., Any],
    application_of: Callable[..., Starlette],
    listening: Callable[..., AbstractContextManager[httpx.Client]],
    item_ids: list[str],
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
) -> None:
    monkeypatch.setattr(tier_stack, "SEALED_AT", 3)
    rng = Random(seed)
    services = services_of()
    with listening(application_of(services=services)) as client:
        for step in range(1, STEPS + 1):
            operations = [operation(rng, item_ids) for _ in range(rng.choice((1, 1, 1, 5)))]
            assert client.post("/items/batch", json={"operations": operations}).status_code == 200
            for word in (*WORDS, "quibblewater"):  # what was looked up before a change must not be told after it
                client.post("/recommend", json={"query": word, "k": 1})
            if step % CHECKED_EVERY:
                continue
            changed = answers(client, Random(step), item_ids)
            began_so = services_of(catalogue=copied(services.live.store))
            with listening(application_of(services=began_so)) as fresh:
                assert catalogue_of(fresh) == catalogue_of(client)
                expected = answers(fresh, Random(step), item_ids)
            for (request, answer), (_, expected_answer) in zip(changed, expected, strict=True):
                assert answer == expected_answer, request


def catalogue_of(client: httpx.Client) -> list[Any]:
    items = client.get("/items", params={"limit": 1_000}).json()["items"]
    return [(item["item_id"], item["hidden"], item["fields"]) for item in items]


def copied(store: CatalogueStore) -> MemoryCatalogueStore:
    """What came of all changes, written in the order in which the items were first written."""
    copy = MemoryCatalogueStore()
    _, records = asyncio.run(store.documents())
    asyncio.run(copy.write([CatalogueChange(record.item_id, record.kind, record.body) for record in records]))
    return copy
