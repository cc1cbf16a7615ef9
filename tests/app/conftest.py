"""A real bundle behind a real application, and copies of the bundle to spoil."""

import math
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final

import httpx
import numpy as np
import pytest
import uvicorn
from chromium import find_chromium, running_chromium
from made_once import made_once
from made_up_cursor_keys import CURSOR_KEYS
from market import Market
from playwright.sync_api import Browser
from quick_services import running_service
from redis_process import RedisProcess
from serve_process import running_service as running_command
from services_alone import PATIENCE_MS, services_alone
from starlette.applications import Starlette
from tiny_encoder import with_encoder
from worded_shop import write_worded_bundle

from app.api.application import HttpOptions, make_application
from app.api.recommend_parsing import Limits
from app.artifact.bundle_store import resolve
from app.artifact.redis_keys import Keys
from app.engine.loading import load_snapshot
from app.engine.snapshot import Snapshot
from app.server.bounds import ConnectionBounds
from app.server.connections import Connections
from app.server.protocol import protocol_of
from app.serving.live_catalogue import CatalogueWaits
from app.serving.release import Release, release_of
from app.serving.service import ServiceLimits
from app.serving.services import FollowOptions, ImpressionOptions, Services, build_services
from app.stores.catalogue import CatalogueStore
from app.stores.memory import MemoryUserStore
from app.stores.protocol import UserStore
from app.stores.published import FixedModels, model_from_manifest
from app.telemetry.metrics import Metrics
from offline.publishing.publish import PublishConfig, publish

WITHIN_S: Final = 30


@pytest.fixture(scope="session")
def limits() -> Limits:
    return Limits(max_events=100, max_item_ids=500)


@pytest.fixture(scope="session")
def max_body_bytes() -> int:
    return 100_000


@pytest.fixture(scope="session")
def snapshot(shop_bundle: Path) -> Snapshot:
    return load_snapshot(shop_bundle)


@pytest.fixture(scope="session")
def encoded_bundle(shop_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop's bundle with a small text encoder."""
    return made_once(tmp_path_factory, "encoded", lambda out: with_encoder(shop_bundle, out))


@pytest.fixture(scope="session")
def encoded(encoded_bundle: Path) -> Snapshot:
    """That bundle, loaded."""
    return load_snapshot(encoded_bundle)


@pytest.fixture(scope="session")
def release(snapshot: Snapshot) -> Release:
    """The shop's bundle with a clock that stands at its newest event."""
    cut = math.nan if snapshot.manifest.cut is None else snapshot.manifest.cut
    return release_of(snapshot, lambda: cut)


@pytest.fixture(scope="session")
def services_of(release: Release) -> Callable[..., Services]:
    """Puts a service together around the shop's release."""

    def make(
        store: UserStore | None = None,
        following: FollowOptions | None = None,
        impressions: ImpressionOptions | None = None,
        catalogue: CatalogueStore | None = None,
        waits: CatalogueWaits | None = None,
        served: Release | None = None,
        **limits: Any,
    ) -> Services:
        served = served or release
        fixed = FixedModels(model_from_manifest(served.snapshot.manifest))
        return build_services(
            served,
            store or MemoryUserStore(),
            following or FollowOptions(fixed, None),
            ServiceLimits(**{"timeout_ms": PATIENCE_MS} | limits),
            impressions or ImpressionOptions(),
            cursors=CURSOR_KEYS,
            catalogue=catalogue,
            waits=waits,
        )

    return make


@pytest.fixture(scope="session")
def application_of(
    services_of: Callable[..., Services], limits: Limits, max_body_bytes: int
) -> Callable[..., Starlette]:
    """Makes applications on the shop's bundle."""

    def make(
        store: UserStore | None = None,
        *,
        depth: int = 200,
        services: Services | None = None,
        **options: Any,
    ) -> Starlette:
        http = HttpOptions(limits=limits, max_body_bytes=max_body_bytes, **options)
        return make_application(services or services_of(store, retrieve_depth=depth), http)

    return make


class _Server(uvicorn.Server):
    """Says when it has started, or could not."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        finally:
            self.is_up.set()


@contextmanager
def _listening(application: Starlette, connections: Connections | None = None) -> Iterator[httpx.Client]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connections = connections or Connections(ConnectionBounds(), Metrics())
        config = uvicorn.Config(application, http=protocol_of(connections), lifespan="on", log_config=None)
        server = _Server(config)
        thread = Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            assert server.is_up.wait(WITHIN_S)  # else a test changes the store while it is read for the start
            with httpx.Client(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}") as client:
                yield client
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="session")
def listening() -> Callable[..., AbstractContextManager[httpx.Client]]:
    """Serves an application on a free port for a while, to a client of its own; with the bounds of `Connections`."""
    return _listening


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium that is closed with the file that uses it: its thread can run no other asyncio loop meanwhile."""
    binary = find_chromium()
    if binary is None:
        reason = "no chromium, chromium-browser or google-chrome on the PATH"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    with running_chromium(binary) as browser:
        yield browser


@pytest.fixture(scope="session")
def client(application_of: Callable[..., Starlette]) -> Iterator[httpx.Client]:
    with _listening(application_of()) as client:
        yield client


@pytest.fixture(scope="session", params=["process", "replicas"])
def market(
    request: pytest.FixtureRequest,
    application_of: Callable[..., Starlette],
    start_redis: Callable[..., AbstractContextManager[RedisProcess]],
    shop_bundle: Path,
) -> Iterator[Market]:
    """A shop whose items change: one process, or two replicas. Whoever changes an item takes it back."""
    if request.param == "process":
        with _listening(application_of()) as client:
            client.timeout = httpx.Timeout(WITHIN_S)
            yield Market(client, client)
        return
    with start_redis() as server:
        with server.client() as redis:
            publish(shop_bundle, redis, Keys(), config=PublishConfig(force="for a test"))
        settings = {
            "redis_timeout_ms": 5_000,
            "redis_write_timeout_ms": 5_000,
            "catalogue_wait_ms": 20_000,
            "timeout_ms": PATIENCE_MS,
        }
        with (
            running_service(shop_bundle, server.url, **settings) as first,
            running_command(shop_bundle, server.url, **settings) as second,  # whose sets have an order of their own
            httpx.Client(base_url=first.address, timeout=WITHIN_S) as writer,
            httpx.Client(base_url=second.address, timeout=WITHIN_S) as reader,
        ):
            yield Market(writer, reader)


@pytest.fixture(scope="session")
def answers_on(
    catalogue_run: Any, application_of: Callable[..., Starlette], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., AbstractContextManager[Callable[..., dict[str, Any]]]]:
    """Serves a catalogue of given items for a while, to a function that posts requests; see `write_worded_bundle`."""

    @contextmanager
    def serve(items: list[dict[str, Any]], **options: Any) -> Iterator[Callable[..., dict[str, Any]]]:
        folder = tmp_path_factory.mktemp("worded") / "bundle"
        worded = load_snapshot(write_worded_bundle(catalogue_run.bundle, folder, items, **options))
        with _listening(application_of(services=services_alone(worded, 1_700_000_000.0))) as client:

            def post(**fields: Any) -> dict[str, Any]:
                response = client.post("/recommend", json=fields)
                assert response.status_code == 200, response.text
                answer: dict[str, Any] = response.json()
                return answer

            yield post

    return serve


@pytest.fixture(scope="session")
def users(snapshot: Snapshot) -> list[str]:
    """Users with a history."""
    return snapshot.manifest.sample_users


@pytest.fixture(scope="session")
def item_ids(snapshot: Snapshot) -> list[str]:
    """All items of the catalogue."""
    return [snapshot.items.id_of(int(row)) for row in np.flatnonzero(snapshot.items.selectable[0])]


@pytest.fixture(scope="session")
def popular(snapshot: Snapshot) -> list[str]:
    """All items of the catalogue, the most popular first."""
    return [snapshot.items.id_of(int(row)) for row in snapshot.items.popular_rows]


@pytest.fixture(scope="session")
def recommend(client: httpx.Client) -> Callable[..., dict[str, Any]]:
    """Posts a request and gives its answer, which must be a 200."""

    def post(**fields: Any) -> dict[str, Any]:
        response = client.post("/recommend", json=fields)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    return post


@pytest.fixture
def spoiled(shop_bundle: Path, tmp_path: Path) -> Path:
    """A copy of the bundle's folder."""
    return Path(shutil.copytree(resolve(shop_bundle), tmp_path / "bundle"))
