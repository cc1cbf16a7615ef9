"""`/items/{id}` and its neighbours over HTTP."""

import httpx
import numpy as np
import pytest

from app.engine.snapshot import Snapshot


def test_an_item_has_all_its_columns(client: httpx.Client, snapshot: Snapshot, item_ids: list[str]) -> None:
    answer = client.get(f"/items/{item_ids[0]}").json()
    assert answer["item_id"] == item_ids[0]
    assert sorted(answer["fields"]) == sorted(snapshot.manifest.catalogue_columns)
    assert {"title", "category", "brand", "price", "description"} <= set(answer["fields"])


def test_an_unknown_item_is_not_found(client: httpx.Client) -> None:
    for path in ("/items/no-such-item", "/items/no/such/item", "/items/no-such-item/similar", "/items/"):
        response = client.get(path)
        assert response.status_code == 404
        assert response.json()["code"] == "item_not_found"


def test_what_no_item_is_called_is_not_found_whatever_it_is(client: httpx.Client) -> None:
    for item_id in ("a%0Ab", "%00", "x" * 30_000, "%CC%A3%CC%81" * 2_500):
        for path in (f"/items/{item_id}", f"/items/{item_id}/similar"):
            response = client.get(path)
            assert (response.status_code, response.json()["code"]) == (404, "item_not_found")
            assert len(response.content) < 2_500


@pytest.mark.parametrize("path", ["/items/%FF", "/items/%FF/similar", "/recommend?user_id=%FF", "/suggest?q=%C3"])
def test_an_address_that_is_no_utf_8_is_refused(client: httpx.Client, path: str) -> None:
    response = client.get(path)
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
    assert "UTF-8" in response.json()["detail"]


def test_similar_items_are_the_nearest_and_not_the_item_itself(
    client: httpx.Client, snapshot: Snapshot, item_ids: list[str]
) -> None:
    vectors = snapshot.items.vectors_of(np.flatnonzero(snapshot.items.selectable[0]))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    shares = []
    for row in range(0, len(item_ids), 40):
        found = [item["item_id"] for item in client.get(f"/items/{item_ids[row]}/similar?k=20").json()["items"]]
        assert len(found) == 20
        assert item_ids[row] not in found
        order = np.argsort(-(vectors @ vectors[row]))
        near = {item_ids[place] for place in order[:100]}
        shares.append(len(near & set(found)) / 20)
    assert np.mean(shares) > 0.6  # by chance a quarter; the score also knows how long an item's own vector is


def test_similar_items_come_with_fields_and_have_bounds(client: httpx.Client, item_ids: list[str]) -> None:
    answer = client.get(f"/items/{item_ids[0]}/similar?k=2&fields=title,price").json()
    assert [list(item["fields"]) for item in answer["items"]] == [["title", "price"]] * 2
    for query in ("k=0", "k=201", "k=x", "fields=flavour", "depth=3"):
        assert client.get(f"/items/{item_ids[0]}/similar?{query}").status_code == 422


def test_an_unknown_parameter_of_an_item_is_refused(client: httpx.Client, item_ids: list[str]) -> None:
    assert client.get(f"/items/{item_ids[0]}?fields=title").status_code == 422
