"""How long calls and a start wait for changes of items that are accepted and not served yet."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager

import httpx
import pytest
from starlette.applications import Starlette

from app.artifact.redis_keys import Keys
from app.serving.live_catalogue import CatalogueWaits
from app.serving.services import Services
from app.stores.catalogue import CatalogueChange, CatalogueHead, CatalogueRecord, CatalogueStore
from app.stores.memory_catalogue import MemoryCatalogueStore
from app.stores.redis_gate import RedisGate
from app.stores.redis_link import RedisAddress, open_async
from app.stores.redis_store import Retention
from app.stores.redis_stores import redis_stores

WITHIN_S = 30
LONG_WAITS = CatalogueWaits(call_s=600.0)
Serving = Callable[..., AbstractContextManager[httpx.Client]]


class GatedCatalogue(MemoryCatalogueStore):
    """Tells that there are changes, and the changes themselves only while its gate is open."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.gate.set()
        self.was_asked = threading.Event()  # for what was changed, since the gate is shut

    @contextmanager
    def shut(self) -> Iterator[None]:
        """The gate is shut while the body runs, and open however it ends."""
        self.gate.clear()
        try:
            yield
        finally:
            self.gate.set()

    async def changes(self, after: CatalogueHead, limit: int) -> list[CatalogueRecord] | None:
        await self._pass()
        return await super().changes(after, limit)

    async def documents(self) -> tuple[CatalogueHead, list[CatalogueRecord]]:
        await self._pass()
        return await super().documents()

    async def _pass(self) -> None:
        while not self.gate.is_set():
            self.was_asked.set()
            await asyncio.sleep(0.001)


@pytest.fixture
def catalogue() -> Iterator[GatedCatalogue]:
    catalogue = GatedCatalogue()
    yield catalogue
    catalogue.gate.set()


@pytest.fixture
def serving(
    services_of: Callable[..., Services],
    application_of: Callable[..., Starlette],
    listening: Callable[..., AbstractContextManager[httpx.Client]],
) -> Serving:
    @contextmanager
    def serve(catalogue: CatalogueStore, waits: CatalogueWaits, **limits: float) -> Iterator[httpx.Client]:
        services = services_of(catalogue=catalogue, waits=waits, **limits)
        with listening(application_of(services=services)) as client:
            client.timeout = httpx.Timeout(WITHIN_S)
            yield client

    return serve


def accept(catalogue: MemoryCatalogueStore, item_ids: Sequence[str]) -> None:
    """What another replica was told."""
    changes = [CatalogueChange(item_id, "put", b'{"title": "Fluxwarble"}') for item_id in item_ids]
    asyncio.run(catalogue.write(changes))


def test_a_call_waits_for_changes_at_most_half_of_its_own_time(catalogue: GatedCatalogue, serving: Serving) -> None:
    with serving(catalogue, LONG_WAITS) as client:
        catalogue.gate.clear()
        accept(catalogue, ["new"])
        popular = client.post("/recommend", json={"k": 3, "timeout_ms": 1}).json()
        assert "catalogue" in popular["degraded"]
        answer = client.post("/recommend", json={"query": "fluxwarble", "k": 3, "timeout_ms": 1_500}).json()
        assert answer["degraded"] == ["catalogue"]
        catalogue.gate.set()
        answer = client.post("/recommend", json={"query": "fluxwarble", "k": 3}).json()
        assert (answer["degraded"], [item["item_id"] for item in answer["items"]]) == ([], ["new"])


def test_nobody_waits_for_a_change_that_its_writer_was_not_told_of_yet(
    catalogue: GatedCatalogue, serving: Serving
) -> None:
    with serving(catalogue, LONG_WAITS) as client:
        client.put("/items/first", json={"title": "Some item"}).raise_for_status()
        with ThreadPoolExecutor(1) as writer, catalogue.shut():
            change = writer.submit(client.put, "/items/new", json={"title": "Fluxwarble"})
            assert catalogue.was_asked.wait(WITHIN_S)  # for what was just written, by who wrote it
            for request in ({"query": "fluxwarble"}, {"k": 3}):
                answer = client.post("/recommend", json=request).json()
                assert answer["degraded"] == []
                assert "new" not in [item["item_id"] for item in answer["items"]]
            accept(catalogue, ["of-another"])
            answer = client.post("/recommend", json={"k": 3, "timeout_ms": 1_500}).json()
            assert answer["degraded"] == ["catalogue"]  # of that one somebody was told
        assert change.result().status_code == 200
        found = client.post("/recommend", json={"query": "fluxwarble"}).json()
        assert [item["item_id"] for item in found["items"]] == ["new", "of-another"]


def test_calls_that_name_no_time_have_that_of_the_service(
    catalogue: GatedCatalogue, serving: Serving, item_ids: list[str]
) -> None:
    with serving(catalogue, LONG_WAITS, timeout_ms=800.0) as client:
        first = client.post("/recommend", json={"k": 3}).json()
        catalogue.gate.clear()
        accept(catalogue, ["new"])
        predicted = {"item_ids": [item_ids[0]]}
        page = {"cursor": first["next_cursor"], "k": 3}
        for method, path, body in (
            ("POST", "/recommend", {"k": 3}),
            ("POST", "/recommend", page),
            ("GET", f"/items/{item_ids[0]}/similar", None),
            ("POST", "/predict", predicted),
        ):
            answer = client.request(method, path, json=body).json()
            assert answer["degraded"] == ["catalogue"], path
            assert answer["items"]
        assert client.get("/suggest", params={"q": "a"}).status_code == 200
        assert client.get(f"/items/{item_ids[0]}").status_code == 200
        assert client.get("/items").status_code == 503


def test_a_process_is_ready_once_it_serves_what_was_changed(catalogue: GatedCatalogue, serving: Serving) -> None:
    ids = [f"new-{number}" for number in range(300)]
    accept(catalogue, ids)
    with serving(catalogue, CatalogueWaits(call_s=1e-4)) as client:
        assert client.get("/readyz").status_code == 200
        assert client.get(f"/items/{ids[-1]}").status_code == 200


def test_a_start_that_takes_too_long_is_ready_without_the_changes(catalogue: GatedCatalogue, serving: Serving) -> None:
    accept(catalogue, ["new"])
    catalogue.gate.clear()
    with serving(catalogue, CatalogueWaits(call_s=1e-3, start_s=0.01)) as client:
        assert client.get("/readyz").status_code == 200
        assert client.get("/items/new").status_code == 404
        assert client.post("/recommend", json={"k": 3}).json()["degraded"] == ["catalogue"]


def test_a_store_that_is_gone_keeps_nobody_from_being_ready(serving: Serving) -> None:
    gate = RedisGate(open_async(RedisAddress("redis://127.0.0.1:1/0", timeout_s=None)), 5.0, 5.0)
    _, gone = redis_stores(gate, Keys(), Retention())
    with serving(gone, CatalogueWaits()) as client:
        assert client.get("/readyz").status_code == 200
        assert client.post("/recommend", json={"k": 3}).json()["degraded"] == ["catalogue"]
