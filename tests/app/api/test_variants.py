"""Ids of variants mean their item in every call, and columns for display are returned and nothing else."""

import json
import math
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
from services_alone import services_alone
from starlette.applications import Starlette
from variant_bundle import with_variants

from app.artifact import names
from app.artifact.bundle_store import resolve
from app.artifact.manifest import list_files
from app.engine.loading import load_snapshot
from app.engine.snapshot import Snapshot
from app.errors import BundleCorrupt

IMAGES = ["https://images.example/1.jpg", ["/a.png", "/b.png"], None]


@pytest.fixture(scope="module")
def row_ids(snapshot: Snapshot) -> list[str]:
    """The ids of all rows, those of items that the catalogue lacks among them."""
    return list(snapshot.items.all_ids()[1:])


@pytest.fixture(scope="module")
def bundle(shop_bundle: Path, row_ids: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop's bundle, in which each item has two variants, `ID-S` and `ID-M`."""
    variants = {f"{item_id}-{size}": row for row, item_id in enumerate(row_ids, start=1) for size in "SM"}
    display = {
        "image": [IMAGES[row % 3] for row in range(len(row_ids))],
        "page/url": [f"/p/{item_id}" for item_id in row_ids],
        "rating": [4.5] * len(row_ids),
    }
    folder = tmp_path_factory.mktemp("variants") / "bundle"
    return with_variants(resolve(shop_bundle), folder, variants, display, ["EUR"] * len(row_ids))


@pytest.fixture(scope="module")
def varied(
    bundle: Path,
    application_of: Callable[..., Starlette],
    listening: Callable[[Starlette], AbstractContextManager[httpx.Client]],
) -> Iterator[httpx.Client]:
    snapshot = load_snapshot(bundle)
    with listening(application_of(services=services_alone(snapshot, snapshot.manifest.cut or math.nan))) as client:
        yield client


def ask(client: httpx.Client, **body: Any) -> dict[str, Any]:
    response = client.post("/recommend", json={"k": 8} | body)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return {name: value for name, value in answer.items() if name not in ("request_id", "next_cursor")}


def test_a_call_with_a_variant_is_answered_as_one_with_its_item(varied: httpx.Client, item_ids: list[str]) -> None:
    own, other = item_ids[0], item_ids[5]
    sku = f"{own}-M"
    assert varied.get(f"/items/{sku}").json() == varied.get(f"/items/{own}").json()
    assert varied.get(f"/items/{sku}").json()["item_id"] == own
    similar = [varied.get(f"/items/{item}/similar?k=5").json()["items"] for item in (own, sku)]
    assert similar[0] == similar[1]
    events = [{"item_id": "%s", "type": "cart", "time": 1_700_000_000}]
    for body in (
        {"context": {"item_ids": ["%s", other]}},
        {"exclude_item_ids": ["%s"], "user_id": "nobody"},
        {"user_id": "u", "recent_events": events, "exclude": "seen"},
        {"pin": [{"item_id": "%s", "position": 2}]},
        {"filter": {"field": "item_id", "in": ["%s", other]}},
        {"filter": {"not": {"field": "item_id", "eq": "%s"}}, "query": "a"},
    ):
        by_item, by_variant = (ask(varied, **json.loads(json.dumps(body).replace("%s", id_))) for id_ in (own, sku))
        assert by_item == by_variant
        assert by_item["unknown_item_ids"] == []
    assert ask(varied, context={"item_ids": [f"{own}-XL"]})["unknown_item_ids"] == [f"{own}-XL"]
    predicted = varied.post("/predict", json={"user_id": "u", "item_ids": [own, sku, "x-S"]}).json()
    first, second = predicted["items"]
    assert [first["item_id"], second["item_id"]] == [own, sku]
    assert {**first, "item_id": ""} == {**second, "item_id": ""}
    assert predicted["unknown_item_ids"] == ["x-S"]


def test_events_on_variants_are_of_their_item_from_then_on(varied: httpx.Client, item_ids: list[str]) -> None:
    answer = varied.post("/recommend", json={"visitor_id": "v1", "k": 3}).json()
    shown = answer["items"][1]["item_id"]
    body = {"visitor_id": "v1", "type": "purchase", "item_id": f"{shown}-S", "request_id": answer["request_id"]}
    assert varied.post("/events", json=body).status_code in (200, 202)
    past = varied.get("/users/v1?kind=visitor").json()
    assert [event["item_id"] for event in past["events"]] == [shown]
    left = ask(varied, visitor_id="v1", exclude="purchased", k=200)
    assert shown not in [item["item_id"] for item in left["items"]]
    metrics = varied.get("/metrics").text
    assert re.search(r'aisle_online_events_total\{outcome="attributed"\} 1\.0', metrics)
    assert 'aisle_online_events_total{outcome="other_item"} 1' not in metrics


def test_display_columns_are_returned_as_they_are(
    varied: httpx.Client, item_ids: list[str], row_ids: list[str]
) -> None:
    shown = next(item_id for item_id in item_ids if row_ids.index(item_id) % 3 == 1)
    fields = varied.get(f"/items/{shown}").json()["fields"]
    assert fields["image"] == ["/a.png", "/b.png"]
    assert (fields["page/url"], fields["rating"], fields["currency"]) == (f"/p/{shown}", 4.5, "EUR")
    wanted = ["image", "page/url", "title", "currency"]
    for item in ask(varied, fields=wanted)["items"]:
        assert list(item["fields"]) == wanted
        assert item["fields"]["image"] == IMAGES[row_ids.index(item["item_id"]) % 3]
    listed = varied.get("/demo/users").json()
    assert {"image", "page/url", "rating", "currency"} <= set(listed["fields"])
    assert not {"image", "rating"} & {facet["field"] for facet in listed["facets"]}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"filter": {"field": "image", "exists": True}}, "filter.field"),
        ({"filter": {"all": [{"field": "rating", "gte": 4}]}}, "filter.all.0.field"),
        ({"facets": ["brand", "page/url"]}, "facets.1"),
        ({"group_by": "image"}, "group_by"),
        ({"boost": [{"filter": {"field": "rating", "gte": 4}, "factor": 2}]}, "boost.0.filter.field"),
    ],
)
def test_nothing_is_narrowed_or_ordered_by_a_display_column(
    varied: httpx.Client, body: dict[str, Any], field: str
) -> None:
    response = varied.post("/recommend", json=body)
    assert response.status_code == 422
    (error,) = response.json()["errors"]
    assert error["field"] == field
    assert "is for display only: `fields` returns it" in error["message"]


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("display/columns.json", b'["image", "image", "rating"]', "different names"),
        ("display/columns.json", b'["image"', "export it again"),
        ("display/1.text.npy", None, "display"),
    ],
)
def test_a_damaged_display_is_refused(
    bundle: Path, row_ids: list[str], tmp_path: Path, file: str, content: bytes | None, said: str
) -> None:
    display, currency = {"a": [1] * len(row_ids), "b": ["x"] * len(row_ids)}, ["EUR"] * len(row_ids)
    folder = with_variants(bundle, tmp_path / "b", {}, display, currency)
    (folder / file).unlink()
    if content is not None:
        (folder / file).write_bytes(content)
    document = json.loads((folder / names.MANIFEST).read_text("utf-8"))
    document["files"] = {name: entry.model_dump() for name, entry in list_files(folder).items()}
    (folder / names.MANIFEST).write_text(json.dumps(document), "utf-8")
    with pytest.raises(BundleCorrupt, match=said):
        load_snapshot(folder)


def test_variants_that_mean_no_item_or_two_are_refused(bundle: Path, row_ids: list[str], tmp_path: Path) -> None:
    currency = ["EUR"] * len(row_ids)
    for number, (variants, said) in enumerate(
        (({"a": len(row_ids) + 1}, "rows of items"), ({"a": 0}, "rows of items"), ({"": 1}, "different ids"))
    ):
        folder = with_variants(bundle, tmp_path / str(number), variants, {}, currency)
        with pytest.raises(BundleCorrupt, match=said):
            load_snapshot(folder)
