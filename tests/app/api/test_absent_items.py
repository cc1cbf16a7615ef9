"""Items that events name and the catalogue lacks: what people did with them is used, and they are never answered."""

from typing import Any

import httpx
import numpy as np
import polars as pl
import pytest

from app.engine.snapshot import Snapshot

GONE = [f"gone{number}" for number in range(4)]
"""What the made-up shop no longer has, and people touched."""


@pytest.fixture(scope="module")
def fans(shop_run: Any) -> list[str]:
    """Users who touched an item that is gone, and whose newest events are not all on such."""
    events = pl.read_parquet(shop_run.run / "ingest" / "events.parquet")
    return events.filter(pl.col("item_id").is_in(GONE))["user_id"].unique().sort().to_list()


def answered(client: httpx.Client, **body: Any) -> list[str]:
    response = client.post("/recommend", json={"k": 200, **body})
    assert response.status_code == 200, response.text
    return [item["item_id"] for item in response.json()["items"]]


def test_the_bundle_knows_what_is_gone_and_counts_what_there_is(client: httpx.Client, snapshot: Snapshot) -> None:
    assert [snapshot.items.id_of(int(row)) for row in snapshot.tables.absent] == sorted(GONE, key=snapshot.items.row_of)
    assert snapshot.manifest.shapes.items == 404
    assert client.get("/models").json()["models"][0]["items"] == 400
    assert client.post("/recommend", json={}).json()["total"] == 400


def test_no_call_answers_what_is_gone(client: httpx.Client, fans: list[str]) -> None:
    asked: list[dict[str, Any]] = [{}, {"query": "shoe"}, {"query": " ".join(GONE)}, {"sort": "newest"}]
    asked += [{"filter": {"not": {"field": "brand", "eq": "nobody"}}}, {"filter": {"field": "added", "gte": 0}}]
    asked += [{"group_by": "category"}, {"sort": "price_asc"}, {"facets": ["category"], "exclude": "none"}]
    for user in ({}, *({"user_id": fan} for fan in fans[:8]), {"context": {"item_ids": GONE}}):
        for body in asked:
            assert not set(answered(client, **user, **body)) & set(GONE)
    pages, cursor = set(), None
    while cursor is not None or not pages:
        body = {"k": 100} if cursor is None else {"cursor": cursor}
        page = client.post("/recommend", json=body).json()
        pages |= {item["item_id"] for item in page["items"]}
        cursor = page.get("cursor")
    assert not pages & set(GONE)


def test_totals_and_facets_count_the_catalogue_alone(client: httpx.Client, fans: list[str]) -> None:
    facets = {"facets": ["category"], "user_id": fans[0]}
    for body, total in (({}, 400), ({"exclude_item_ids": GONE}, 400), ({"context": {"item_ids": GONE[:2]}}, 400)):
        answer = client.post("/recommend", json=facets | body).json()
        assert answer["total"] == total
    some = client.post("/recommend", json={"filter": {"not": {"field": "brand", "eq": "nobody"}}}).json()
    assert some["total"] == 400


def test_what_is_gone_is_no_item_of_the_catalogue(client: httpx.Client) -> None:
    for path in ("/items/gone0", "/items/gone0/similar"):
        response = client.get(path)
        assert (response.status_code, response.json()["code"]) == (404, "item_not_found")
    pinned = client.post("/recommend", json={"pin": [{"item_id": "gone0", "position": 1}]}).json()
    assert pinned["items"][0]["item_id"] != "gone0"
    known = answered(client)[0]
    body = {"user_id": "u1", "item_ids": ["gone0", known, "never"]}
    predictions = client.post("/predict", json=body).json()
    assert [prediction["item_id"] for prediction in predictions["items"]] == [known]
    assert predictions["unknown_item_ids"] == ["gone0", "never"]
    for text in ("gone", "gon", "g"):
        completions = client.get("/suggest", params={"q": text}).json()["suggestions"]
        assert not any(completion.get("item_id") in GONE for completion in completions)


def test_what_is_gone_still_speaks(client: httpx.Client) -> None:
    alone, after = answered(client), answered(client, recent_events=[{"item_id": "gone0", "type": "view"}])
    assert after != alone
    assert len(after) == len(alone)


def test_what_is_gone_leads_no_list(snapshot: Snapshot) -> None:
    assert not set(snapshot.items.popular_rows.tolist()) & set(snapshot.tables.absent.tolist())
    assert len(snapshot.items.popular_rows) == snapshot.items.count == 400
    assert int(np.count_nonzero(snapshot.items.selectable)) == 400
