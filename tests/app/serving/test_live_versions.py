"""Live changes through a change of version, and what people do with new items."""

import asyncio
import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from services_alone import PATIENCE_MS
from starlette.applications import Starlette

from app.artifact.bundle_store import point_to, resolve
from app.artifact.names import MANIFEST
from app.serving import activity
from app.serving.release import LoadOptions, load_release
from app.serving.service import ServiceLimits
from app.serving.services import FollowOptions, ImpressionOptions, Services, build_services
from app.stores.memory import MemoryUserStore
from app.stores.memory_catalogue import MemoryCatalogueStore
from app.stores.published import FolderModels

WITHIN_S = 20
FIRST, SECOND = "2026-01-01T00-00-00-aaaa", "2026-01-02T00-00-00-bbbb"


@pytest.fixture
def bundles(shop_bundle: Path, tmp_path: Path) -> Path:
    """A store of bundles with one version."""
    folder = tmp_path / "bundles"
    add_version(folder, shop_bundle, FIRST)
    point_to(folder, FIRST)
    return folder


def add_version(store: Path, original: Path, version: str, **changes: Any) -> None:
    shutil.copytree(resolve(original), store / version)
    path = store / version / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | {"version": version} | changes), "utf-8")


@pytest.fixture
def serving(
    application_of: Callable[..., Starlette],
    listening: Callable[..., AbstractContextManager[httpx.Client]],
) -> Callable[[Path, MemoryCatalogueStore], AbstractContextManager[httpx.Client]]:
    @contextmanager
    def serve(folder: Path, catalogue: MemoryCatalogueStore) -> Iterator[httpx.Client]:
        load = LoadOptions(clock="bundle")
        following = FollowOptions(FolderModels(folder), folder, load)
        services = build_services(
            load_release(folder, load),
            MemoryUserStore(),
            following,
            ServiceLimits(timeout_ms=PATIENCE_MS),
            ImpressionOptions(),
            catalogue=catalogue,
        )
        with listening(application_of(services=services)) as client:
            yield client

    return serve


def ids(client: httpx.Client, query: str) -> list[str]:
    items = client.post("/recommend", json={"query": query}).json()["items"]
    return sorted(item["item_id"] for item in items)


def test_a_version_absorbs_what_it_was_made_with_and_keeps_the_rest(
    serving: Callable[..., AbstractContextManager[httpx.Client]], bundles: Path, shop_bundle: Path, item_ids: list[str]
) -> None:
    catalogue = MemoryCatalogueStore()
    with serving(bundles, catalogue) as client:
        client.put("/items/early", json={"title": "Fluxwarble early"})
        head = asyncio.run(catalogue.head())
        client.put("/items/late", json={"title": "Fluxwarble late"})
        client.patch(f"/items/{item_ids[0]}", json={"title": "Fluxwarble changed"})
        everything = sorted(["early", "late", item_ids[0]])
        assert ids(client, "fluxwarble") == everything
        # Of a catalogue that is called to have had the first change, and does not have it.
        add_version(bundles, shop_bundle, SECOND, catalogue_epoch=head.epoch, catalogue_sequence=head.sequence)
        assert client.post(f"/models/{SECOND}/activate").status_code == 200
        assert ids(client, "fluxwarble") == sorted(["late", item_ids[0]])
        client.patch("/items/late", json={"title": "Fluxwarble later"})
        client.put("/items/third", json={"title": "Fluxwarble third"})
        assert ids(client, "fluxwarble") == sorted(["late", "third", item_ids[0]])
        assert client.post(f"/models/{FIRST}/activate").status_code == 200
        assert ids(client, "fluxwarble") == sorted([*everything, "third"])
        other = "2026-01-03T00-00-00-cccc"  # of another epoch: its number says nothing
        add_version(bundles, shop_bundle, other, catalogue_epoch="another", catalogue_sequence=head.sequence)
        assert client.post(f"/models/{other}/activate").status_code == 200
        assert ids(client, "fluxwarble") == sorted([*everything, "third"])


def test_what_people_do_with_new_items_counts(
    services_of: Callable[..., Services],
    application_of: Callable[..., Starlette],
    listening: Callable[..., AbstractContextManager[httpx.Client]],
    item_ids: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(activity, "EVERY_S", 0.02)
    services = services_of()
    with listening(application_of(services=services)) as client:
        for name in ("liked", "ignored"):
            client.put(f"/items/{name}", json={"title": f"Fluxwarble {name}", "brand": "Flux"})
        before = client.post("/recommend", json={"k": 200, "filter": {"field": "brand", "eq": "Flux"}}).json()["items"]
        assert [item["item_id"] for item in before] == ["liked", "ignored"]
        beside = item_ids[30]
        for number in range(30):
            for item_id in (beside, "ignored" if number % 10 == 0 else "liked"):
                event = {"type": "cart", "item_id": item_id, "visitor_id": f"v{number}"}
                assert client.post("/events", json=event).json()["accepted"] == 1
        deadline = time.monotonic() + WITHIN_S
        row = services.recommender.release.snapshot.items.row_of("liked")
        while (tables := services.recommender.release.snapshot.tables).counts[row].sum() < 27:
            assert time.monotonic() < deadline, "it is never counted"
            time.sleep(0.005)
        items = services.recommender.release.snapshot.items
        assert tables.counts[row].tolist() == [0.0, 27.0, 0.0]
        assert items.popularity[row] > items.popularity[items.row_of("ignored")] > 0
        assert int(tables.neighbours[row, 0]) == items.row_of(beside)
        assert row in tables.neighbours[items.row_of(beside)]
        shown = client.post("/recommend", json={"k": 200, "filter": {"field": "brand", "eq": "Flux"}}).json()["items"]
        assert [item["item_id"] for item in shown] == ["liked", "ignored"]
        assert "liked" in [item["item_id"] for item in client.post("/recommend", json={"k": 50}).json()["items"]]
