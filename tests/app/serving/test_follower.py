"""Versions: followed, activated, rolled back and refused, while requests are answered."""

import gc
import json
import os
import re
import shutil
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis_process import RedisProcess
from starlette.applications import Starlette

from app.api.rehearsal import rehearse
from app.artifact import names
from app.artifact.bundle_store import point_to, resolve
from app.artifact.manifest import list_files, read_manifest
from app.artifact.redis_keys import Keys
from app.artifact.replica_record import LIVES_S, ReplicaRecord
from app.serving.follower import NOT_HERE
from app.serving.release import LoadOptions, load_release
from app.serving.service import ServiceLimits
from app.serving.services import FollowOptions, ImpressionOptions, build_services
from app.stores.memory import MemoryUserStore
from app.stores.protocol import ModelStore, UserStore
from app.stores.published import FolderModels, RedisModels, model_from_manifest
from app.stores.redis_gate import RedisGate
from app.stores.redis_link import RedisAddress, open_async
from app.stores.redis_store import RedisUserStore
from offline.publishing.replicas import read_replicas

WITHIN_S = 20
FIRST, SECOND, THIRD = "v1", "v2", "v3"
Serve = Callable[..., AbstractContextManager[httpx.Client]]


def add_version(store: Path, original: Path, version: str) -> Path:
    """A copy of a bundle under another name, moved into place whole."""
    beside = store / f".{version}"
    shutil.copytree(original, beside)
    manifest = beside / names.MANIFEST
    manifest.write_text(json.dumps(json.loads(manifest.read_text("utf-8")) | {"version": version}), "utf-8")
    return beside.rename(store / version)


@pytest.fixture
def store(shop_bundle: Path, tmp_path: Path) -> Path:
    """A store of bundles with two versions, of which the first is current."""
    folder = tmp_path / "bundles"
    folder.mkdir()
    for version in (FIRST, SECOND):
        add_version(folder, resolve(shop_bundle), version)
    point_to(folder, FIRST)
    return folder


LOAD = LoadOptions(clock="bundle", rehearse=rehearse)


@pytest.fixture
def serve(
    store: Path,
    application_of: Callable[..., Starlette],
    listening: Callable[[Starlette], AbstractContextManager[httpx.Client]],
) -> Serve:
    """Serves the store of bundles, looking at its pointer every now and then."""

    def make(users: UserStore | None = None, models: ModelStore | None = None, every_s: float = 0.02) -> Any:
        following = FollowOptions(models or FolderModels(store), store, LOAD, every_s)
        services = build_services(
            load_release(store, LOAD), users or MemoryUserStore(), following, ServiceLimits(), ImpressionOptions()
        )
        return listening(application_of(services=services))

    return make


def version_of(client: httpx.Client) -> str:
    answer: dict[str, Any] = client.post("/recommend", json={}).json()
    return str(answer["model_version"])


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.005)


def is_more(seen: Counter[str], version: str, before: int) -> bool:
    """Whether answers of a version came since."""
    return seen[version] > before


def edit_manifest(folder: Path, **changes: Any) -> None:
    path = folder / names.MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), "utf-8")


def sign_again(folder: Path) -> None:
    edit_manifest(folder, files={name: entry.model_dump() for name, entry in list_files(folder).items()})


def spoil(folder: Path) -> None:
    path = folder / names.ITEM_VECTORS
    path.write_bytes(path.read_bytes()[:-1] + b"\x7f")


def test_the_pointer_of_the_folder_is_followed(serve: Serve, store: Path) -> None:
    with serve() as client:
        assert version_of(client) == FIRST
        point_to(store, SECOND)
        until(lambda: version_of(client) == SECOND)
        assert client.get("/readyz").json()["model_version"] == SECOND
        assert client.get("/demo/users").json()["model_version"] == SECOND
        assert f'aisle_bundle{{dataset="synthetic",device="cpu",version="{SECOND}"}} 1.0' in client.get("/metrics").text
        assert 'aisle_bundle_loads_total{outcome="loaded"} 1.0' in client.get("/metrics").text


def test_models_tell_what_is_served_loaded_and_current(serve: Serve, store: Path) -> None:
    with serve(every_s=0) as client:
        point_to(store, SECOND)
        told = {model["version"]: model for model in client.get("/models").json()["models"]}
        assert list(told) == [FIRST, SECOND]
        assert (told[FIRST]["served"], told[FIRST]["loaded"], told[FIRST]["current"]) == (True, True, False)
        assert (told[SECOND]["served"], told[SECOND]["loaded"], told[SECOND]["current"]) == (False, False, True)
        assert told[FIRST]["items"] > 0
        assert client.post("/models/reload").json() == {"model_version": SECOND, "previous_version": FIRST}
        told = {model["version"]: model for model in client.get("/models").json()["models"]}
        assert (told[SECOND]["served"], told[FIRST]["loaded"]) == (True, True)
        assert client.post("/models/reload").json() == {"model_version": SECOND, "previous_version": SECOND}


def test_a_version_is_activated_and_rolled_back_and_the_pointer_says_so(serve: Serve, store: Path) -> None:
    with serve() as client:
        assert client.post(f"/models/{SECOND}/activate").json() == {"model_version": SECOND, "previous_version": FIRST}
        assert version_of(client) == SECOND
        assert resolve(store).name == SECOND
        assert client.post(f"/models/{FIRST}/activate").json()["model_version"] == FIRST
        assert version_of(client) == FIRST
        assert resolve(store).name == FIRST
        assert client.post(f"/models/{FIRST}/activate").json()["previous_version"] == FIRST


class Circle:
    """Holds itself, as what a request in flight made may: only the collector frees it."""

    def __init__(self) -> None:
        self.itself = self


def test_what_was_in_flight_at_a_change_of_version_is_freed_later(serve: Serve) -> None:
    with serve() as client:
        circle = Circle()
        kept = weakref.ref(circle)
        assert client.post(f"/models/{SECOND}/activate").status_code == 200
        del circle
        gc.collect()
        assert kept() is None


def test_a_version_that_is_not_there_is_a_404(serve: Serve) -> None:
    with serve() as client:
        for version in ("v9", "..", "%2e%2e"):
            response = client.post(f"/models/{version}/activate")
            assert response.status_code == 404
        assert client.post("/models/v9/activate").json()["code"] == "model_not_found"
        assert version_of(client) == FIRST


def test_a_corrupt_version_is_refused_and_serving_goes_on(serve: Serve, store: Path) -> None:
    spoil(store / SECOND)
    with serve() as client:
        response = client.post(f"/models/{SECOND}/activate")
        assert response.status_code == 409
        assert response.json()["code"] == "bundle_corrupt"
        assert resolve(store).name == FIRST
        assert version_of(client) == FIRST
        point_to(store, SECOND)
        until(lambda: SECOND in client.get("/readyz").json()["refused"])
        assert "checksum" in client.get("/readyz").json()["refused"][SECOND]
        assert client.get("/readyz").status_code == 200
        assert version_of(client) == FIRST
        (model,) = [model for model in client.get("/models").json()["models"] if model["version"] == SECOND]
        assert "checksum" in model["refused"]
        assert client.post("/models/reload").status_code == 409


def test_a_version_that_was_mended_is_served_after_a_reload(serve: Serve, store: Path, shop_bundle: Path) -> None:
    whole = (store / SECOND / names.ITEM_VECTORS).read_bytes()
    spoil(store / SECOND)
    with serve() as client:
        point_to(store, SECOND)
        until(lambda: SECOND in client.get("/readyz").json()["refused"])
        (store / SECOND / names.ITEM_VECTORS).write_bytes(whole)
        assert client.post("/models/reload").json()["model_version"] == SECOND
        assert client.get("/readyz").json()["refused"] == {}


def test_a_version_that_is_still_on_its_way_is_served_when_it_arrives(
    serve: Serve, store: Path, shop_bundle: Path
) -> None:
    with serve() as client:
        (store / "CURRENT").write_text(f"{THIRD}\n", "utf-8")
        until(lambda: THIRD in client.get("/readyz").json()["refused"])
        assert version_of(client) == FIRST
        add_version(store, resolve(shop_bundle), THIRD)
        until(lambda: version_of(client) == THIRD)
        assert client.get("/readyz").json()["refused"] == {}


WRONG_POINTERS = {
    "long": b"x" * 5_000,
    "no text": b"\xff\xfe\n",
    "above": b"../v2",
    "absolute": b"/anywhere/v2",
    "dots": b"..",
    "two lines": b"v2\nv1",
    "a zero": b"v2\0",
    "a link": b"linked",
    "a file": b"file",
}


def test_whatever_the_pointer_says_the_store_is_not_left_and_the_loop_goes_on(serve: Serve, store: Path) -> None:
    """Above the store lies a whole bundle, which a pointer out of it would serve."""
    add_version(store.parent, store / SECOND, THIRD)
    (store / "linked").symlink_to(store.parent / THIRD)
    (store / "file").write_text("no bundle")
    with serve() as client:
        for content in [*WRONG_POINTERS.values(), b"../" + THIRD.encode()]:
            (store / ".new").write_bytes(content)
            (store / ".new").rename(store / "CURRENT")
            until(lambda: client.get("/readyz").json()["refused"] != {})
            told = client.get("/models").json()
            assert told["refused"] == client.get("/readyz").json()["refused"]
            assert [model["current"] for model in told["models"]] == [False, False]  # the linked one is none of them
            answer = client.post("/models/reload")
            assert (answer.status_code, answer.json()["code"]) == (409, "bundle_corrupt"), content
            assert client.post("/models/linked/activate").status_code == 404
            point_to(store, FIRST)
            until(lambda: "CURRENT" not in client.get("/readyz").json()["refused"])
            point_to(store, SECOND)
            until(lambda: version_of(client) == SECOND)
            assert client.get("/readyz").json()["refused"] == {}
            point_to(store, FIRST)
            until(lambda: version_of(client) == FIRST)


def test_a_pointer_that_is_a_pipe_or_a_folder_holds_nobody_up(serve: Serve, store: Path) -> None:
    with serve() as client:
        for make in (os.mkfifo, os.mkdir):
            (store / "CURRENT").unlink()
            make(store / "CURRENT")
            until(lambda: "CURRENT" in client.get("/readyz").json()["refused"])
            assert client.post("/models/reload").json()["code"] == "bundle_unreadable"
            assert version_of(client) == FIRST
            (store / "CURRENT").rename(store / f".{make.__name__}")
            point_to(store, SECOND)
            until(lambda: version_of(client) == SECOND)
            point_to(store, FIRST)
            until(lambda: version_of(client) == FIRST)


def test_a_pointer_in_redis_that_names_no_version_is_refused_and_the_next_one_followed(
    serve: Serve, redis_server: RedisProcess, published: Keys, store: Path
) -> None:
    gate = RedisGate(open_async(RedisAddress(redis_server.url, timeout_s=None)), 5.0, 5.0)
    with (
        redis_server.client() as server,
        serve(RedisUserStore(gate, published), RedisModels(gate, published)) as client,
    ):
        for content in (b"\xff\xfe", b"../v2", b"x" * 5_000, None):
            server.delete(published.pointer)
            server.lpush(published.pointer, "v2") if content is None else server.set(published.pointer, content)
            until(lambda: "CURRENT" in client.get("/readyz").json()["refused"])
            assert client.post("/models/reload").status_code == 409
            assert client.get("/models").status_code == 200
            until(lambda: any("CURRENT" in record.refused for record in read_replicas(server, published)))
            server.delete(published.pointer)
            server.set(published.pointer, FIRST)
            until(lambda: version_of(client) == FIRST)
            server.set(published.pointer, SECOND)
            until(lambda: version_of(client) == SECOND)
            assert client.get("/readyz").json()["refused"] == {}


def other_inputs(folder: Path) -> None:
    """The graph of another model, with a checksum that is right."""
    shutil.copyfile(folder / names.RANK_GRAPH, folder / names.RETRIEVE_GRAPH)


def no_graph(folder: Path) -> None:
    (folder / names.RETRIEVE_GRAPH).write_bytes(b"graph")


def wrong_manifest(folder: Path) -> None:
    edit_manifest(folder, metrics=[])


def a_link(folder: Path) -> None:
    (folder / names.ITEM_VECTORS).rename(folder.parent / "vectors")
    (folder / names.ITEM_VECTORS).symlink_to(folder.parent / "vectors")


def a_pipe(folder: Path) -> None:
    (folder / names.ITEM_VECTORS).unlink()
    os.mkfifo(folder / names.ITEM_VECTORS)


def a_folder(folder: Path) -> None:
    (folder / names.MANIFEST).unlink()
    (folder / names.MANIFEST).mkdir()


def more_files(folder: Path) -> None:
    (folder / "items" / "more.npy").write_bytes(b"")


def more_folders(folder: Path) -> None:
    (folder / "more" / "below").mkdir(parents=True)
    (folder / "more" / "below" / "file").write_bytes(b"")


def another_name(folder: Path) -> None:
    edit_manifest(folder, version=FIRST)


def hostile_numbers(folder: Path) -> None:
    path = folder / names.MANIFEST
    path.write_text(path.read_text("utf-8").replace('"seed": ', f'"seed": {"9" * 5_000}', 1), "utf-8")


def a_column_elsewhere(folder: Path) -> None:
    columns = json.loads((folder / names.MANIFEST).read_text("utf-8"))["catalogue_columns"]
    edit_manifest(folder, catalogue_columns=columns | {"../../v1/catalogue/title": "text"})


def another_window(folder: Path) -> None:
    shapes = json.loads((folder / names.MANIFEST).read_text("utf-8"))["shapes"]
    edit_manifest(folder, shapes=shapes | {"window": 5})


def no_probabilities(folder: Path) -> None:
    edit_manifest(folder, metrics={"behaviours": ["view"]})


DAMAGES = [
    another_window, no_probabilities, other_inputs, no_graph, wrong_manifest, a_link, a_pipe, a_folder, more_files,
    more_folders, another_name, hostile_numbers, a_column_elsewhere,
]  # fmt: skip


def test_whatever_is_wrong_with_a_version_is_told_and_the_next_one_is_followed(
    serve: Serve, store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serve() as client:
        for number, damage in enumerate(DAMAGES):
            version = f"w{number}"
            folder = add_version(store, store / SECOND, version)
            damage(folder)
            if damage in {other_inputs, no_graph}:
                sign_again(folder)
            point_to(store, version)
            until(lambda version=version: version in client.get("/readyz").json()["refused"])  # type: ignore[misc]
            reason = client.get("/readyz").json()["refused"][version]
            assert re.search(r": .*(export|copy|take|give|let)", reason), reason
            assert reason in caplog.text + str([getattr(record, "reason", "") for record in caplog.records])
            assert client.get("/models").json()["refused"][version] == reason
            assert client.post("/models/reload").status_code == 409
            assert client.post(f"/models/{version}/activate").status_code in {404, 409}  # 404: not even a manifest
            assert version_of(client) == FIRST
            shutil.rmtree(folder)
            point_to(store, SECOND)
            until(lambda: version_of(client) == SECOND)
            point_to(store, FIRST)
            until(lambda: version_of(client) == FIRST)
        metrics = client.get("/metrics").text
        refused = re.search(r'aisle_bundle_loads_total\{outcome="refused"\} (\d+)', metrics)
        assert refused is not None
        assert int(refused[1]) >= 2 * len(DAMAGES)  # by itself, and by `reload`
        assert 'aisle_background_failures_total{task="follow"} 0.0' in metrics


def test_a_version_that_was_refused_is_tried_again_when_the_pointer_comes_back(serve: Serve, store: Path) -> None:
    whole = (store / SECOND / names.ITEM_VECTORS).read_bytes()
    spoil(store / SECOND)
    with serve() as client:
        point_to(store, SECOND)
        until(lambda: SECOND in client.get("/readyz").json()["refused"])
        (store / SECOND / names.ITEM_VECTORS).write_bytes(whole)
        (store / "CURRENT").write_text("v9")
        until(lambda: "v9" in client.get("/readyz").json()["refused"])
        point_to(store, SECOND)
        until(lambda: version_of(client) == SECOND)
        assert client.get("/readyz").json()["refused"] == {}


def test_a_reload_for_a_version_on_its_way_does_not_keep_it_from_being_served(
    serve: Serve, store: Path, shop_bundle: Path
) -> None:
    with serve() as client:
        (store / "CURRENT").write_text(THIRD)
        answer = client.post("/models/reload")
        assert (answer.status_code, answer.json()["code"]) == (409, "bundle_missing")
        assert client.get("/readyz").json()["refused"] == {THIRD: NOT_HERE}
        add_version(store, resolve(shop_bundle), THIRD)
        until(lambda: version_of(client) == THIRD)


class FailingModels(FolderModels):
    """Fails as nothing foresaw, as long as it is told to."""

    fails = False

    async def current(self) -> str | None:
        if self.fails:
            raise KeyError("nobody foresaw this")
        return await super().current()

    async def announce(self, replica: str, record: ReplicaRecord) -> None:
        if self.fails:
            raise KeyError("nor this")


def test_what_nobody_foresaw_ends_neither_the_following_nor_the_presence(serve: Serve, store: Path) -> None:
    models = FailingModels(store)
    with serve(models=models) as client:
        models.fails = True
        failed = re.compile(r'aisle_background_failures_total\{task="follow"\} [1-9]')
        until(lambda: failed.search(client.get("/metrics").text) is not None)
        assert client.get("/readyz").json()["status"] == "ready"
        models.fails = False
        point_to(store, SECOND)
        until(lambda: version_of(client) == SECOND)
        assert client.post("/recommend", json={}).json()["model_version"] == SECOND


def test_one_bundle_that_was_named_is_all_there_is(client: httpx.Client, snapshot: Any) -> None:
    version = snapshot.manifest.version
    (model,) = client.get("/models").json()["models"]
    assert (model["version"], model["served"], model["current"]) == (version, True, True)
    assert client.post("/models/v9/activate").status_code == 404
    assert client.post(f"/models/{version}/activate").json()["model_version"] == version


def test_what_happened_live_outlives_a_change_of_version(serve: Serve, store: Path) -> None:
    with serve() as client:
        popular = [item["item_id"] for item in client.post("/recommend", json={}).json()["items"]]
        client.post("/events", json={"visitor_id": "v", "item_id": popular[0], "type": "purchase"})
        before = client.post("/recommend", json={"visitor_id": "v"}).json()["items"]
        client.post(f"/models/{SECOND}/activate")
        after = client.post("/recommend", json={"visitor_id": "v"}).json()
        assert after["model_version"] == SECOND
        assert after["items"] == before


def test_no_request_fails_while_versions_change(serve: Serve, users: list[str]) -> None:
    """Every answer is whole, and of the version that it names."""
    failed: list[str] = []
    seen: Counter[str] = Counter()
    stop = threading.Event()

    def ask(address: httpx.URL, user: str) -> None:
        with httpx.Client(base_url=address, timeout=WITHIN_S) as own:
            while not stop.is_set():
                response = own.post("/recommend", json={"user_id": user, "fields": ["title"], "explain": True})
                answer = response.json()
                if response.status_code != 200 or answer["degraded"] or len(answer["items"]) != 20:
                    failed.append(response.text)
                seen[answer["model_version"]] += 1

    with serve(every_s=0) as client:
        threads = [threading.Thread(target=ask, args=(client.base_url, user)) for user in users[:4]]
        for thread in threads:
            thread.start()
        try:
            for version in (SECOND, FIRST) * 5:
                before = seen[version]
                assert client.post(f"/models/{version}/activate").status_code == 200
                until(partial(is_more, seen, version, before))
        finally:
            stop.set()
            for thread in threads:
                thread.join()
    assert failed == []
    assert set(seen) == {FIRST, SECOND}


@pytest.fixture
def published(redis_server: RedisProcess, redis_prefix: str, store: Path) -> Keys:
    """Both versions are published in Redis, and the pointer names the second."""
    keys = Keys(redis_prefix.encode())
    with redis_server.client() as client:
        for version in (FIRST, SECOND):
            model = model_from_manifest(read_manifest(store / version))
            client.hset(keys.models, version, model.model_dump_json())
            client.set(keys.marker(version), b"")
        client.set(keys.pointer, SECOND)
    return keys


def test_replicas_follow_the_pointer_in_redis(serve: Serve, redis_server: RedisProcess, published: Keys) -> None:
    def stores() -> tuple[RedisUserStore, RedisModels]:
        gate = RedisGate(open_async(RedisAddress(redis_server.url, timeout_s=None)), 5.0, 5.0)
        return RedisUserStore(gate, published), RedisModels(gate, published)

    with serve(*stores()) as one, serve(*stores()) as other:
        assert version_of(one) == version_of(other) == SECOND  # though the folder's pointer names the first
        assert one.post(f"/models/{FIRST}/activate").json()["model_version"] == FIRST
        until(lambda: version_of(other) == FIRST)
        told = {model["version"]: model["current"] for model in other.get("/models").json()["models"]}
        assert told == {FIRST: True, SECOND: False}
        assert one.post(f"/models/{THIRD}/activate").status_code == 404


def test_a_replica_says_in_redis_what_it_serves_and_refuses_until_it_ends(
    serve: Serve, redis_server: RedisProcess, published: Keys, store: Path
) -> None:
    gate = RedisGate(open_async(RedisAddress(redis_server.url, timeout_s=None)), 5.0, 5.0)
    spoil(add_version(store, store / SECOND, THIRD))
    with redis_server.client() as server:

        def records() -> list[ReplicaRecord]:
            return read_replicas(server, published)

        with serve(RedisUserStore(gate, published), RedisModels(gate, published)):
            until(lambda: bool(records()))
            assert [(record.version, record.refused) for record in records()] == [(SECOND, {})]
            (name,) = server.smembers(published.replicas)
            assert 0 < server.ttl(published.replica(name.decode())) <= LIVES_S
            server.set(published.pointer, FIRST)
            until(lambda: records()[0].version == FIRST)
            server.set(published.pointer, THIRD)
            until(lambda: list(records()[0].refused) == [THIRD])
            assert "checksum" in records()[0].refused[THIRD]
            server.set(published.pointer, "v4")
            until(lambda: records()[0].refused.get("v4") == NOT_HERE)
        assert records() == []
        assert server.smembers(published.replicas) == set()


def test_a_replica_that_was_killed_is_taken_off_the_list(redis_server: RedisProcess, published: Keys) -> None:
    with redis_server.client() as server:
        server.sadd(published.replicas, "killed", "later", "alive")
        server.set(published.replica("later"), "in the form of a later service")
        record = ReplicaRecord(version=FIRST, time=1.0)
        server.set(published.replica("alive"), json.dumps(record.model_dump() | {"zone": "a"}))
        assert read_replicas(server, published) == [record]
        assert server.smembers(published.replicas) == {b"later", b"alive"}


def test_a_version_that_redis_lacks_degrades_answers_until_it_is_published(
    serve: Serve, redis_server: RedisProcess, published: Keys, users: list[str]
) -> None:
    gate = RedisGate(open_async(RedisAddress(redis_server.url, timeout_s=None)), 5.0, 5.0)
    with (
        redis_server.client() as server,
        serve(RedisUserStore(gate, published), RedisModels(gate, published)) as client,
    ):
        assert client.post("/recommend", json={"user_id": users[0]}).json()["degraded"] == []
        server.delete(published.marker(SECOND))
        answer = client.post("/recommend", json={"user_id": users[0]}).json()
        assert answer["degraded"] == ["user_state"]
        assert len(answer["items"]) == 20
        event = {"user_id": users[0], "item_id": answer["items"][0]["item_id"], "type": "purchase"}
        assert client.post("/events", json=event).status_code == 202
        after = client.post("/recommend", json={"user_id": users[0], "exclude": "purchased"}).json()
        assert after["degraded"] == ["user_state"]
        assert event["item_id"] not in [item["item_id"] for item in after["items"]]  # it counts all the same
        assert client.post("/recommend", json={"user_id": users[0]}).json()["items"] != answer["items"]
        server.set(published.marker(SECOND), b"")
        assert client.post("/recommend", json={"user_id": users[0]}).json()["degraded"] == []
