"""Bundles in a store of objects: fetched, compared, followed and kept on this machine's disk within a limit."""

import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from few_files import edit_manifest, keep_few, sign_again
from object_servers import BUCKET, FileSite, Relay, S3Server, s3_server, s3_variables
from starlette.applications import Starlette

from app.artifact import names
from app.artifact.bundle_store import point_to, resolve, versions
from app.artifact.erasures import note_erasures, read_erasures
from app.artifact.manifest import read_manifest
from app.artifact.object_store import ObjectAddress, ObjectLimits, ObjectStore
from app.errors import BundleCorrupt, BundleMissing, BundleUnreadable, SettingsError
from app.main import make_app
from app.settings import Settings, read_settings
from app.stores.bundle_cache import BundleCache
from offline.publishing.object_upload import point_objects, upload

FIRST, SECOND, THIRD = "v1", "v2", "v3"
WITHIN_S = 30
LIMITS = ObjectLimits(request_s=2.0, transfer_s=20.0)
LARGE = 1e12
Open = Callable[..., BundleCache]


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as started:
        yield started


@pytest.fixture
def relay(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    """What stands before the server, where the variables say that it is."""
    between = Relay(server.port)
    for name, value in s3_variables(between.port).items():
        monkeypatch.setenv(name, value)
    yield between
    between.close()


@pytest.fixture
def address(relay: Relay, tmp_path: Path) -> ObjectAddress:
    """A place in the store of this test's own."""
    return ObjectAddress(f"s3://{BUCKET}/{tmp_path.name}")


@pytest.fixture
def objects(address: ObjectAddress) -> ObjectStore:
    return ObjectStore(address, LIMITS)


@pytest.fixture
def bundles(shop_bundle: Path, tmp_path: Path) -> Path:
    """A store of bundles with three versions that share all files but the manifest."""
    folder = tmp_path / "made"
    folder.mkdir()
    for version in (FIRST, SECOND, THIRD):
        shutil.copytree(resolve(shop_bundle), folder / version)
        edit_manifest(folder / version, version=version)
    return folder


@pytest.fixture
def folder(bundles: Path) -> Path:
    """The same, of a few files each: nobody serves them."""
    for version in (FIRST, SECOND, THIRD):
        keep_few(bundles / version)
    return bundles


@pytest.fixture
def cache_of(address: ObjectAddress, tmp_path: Path) -> Open:
    def make(limit_bytes: float = LARGE, fetch_s: float = 60.0, **options: Any) -> BundleCache:
        return BundleCache(ObjectStore(address, LIMITS), tmp_path / "cache", limit_bytes, fetch_s, **options)

    return make


def publish(folder: Path, objects: ObjectStore) -> None:
    upload(folder, objects)
    point_objects(folder, objects)


def content_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.005)


def test_a_version_arrives_as_it_was_published(folder: Path, objects: ObjectStore, cache_of: Open) -> None:
    publish(folder / FIRST, objects)
    cache = cache_of()
    assert cache.pointer() == FIRST
    assert cache.obtain(FIRST)
    assert content_of(cache.folder / FIRST) == content_of(folder / FIRST)
    assert not cache.obtain(FIRST), "what is here is not fetched again"


def test_files_of_a_version_that_is_here_are_not_fetched_again(
    folder: Path, objects: ObjectStore, cache_of: Open
) -> None:
    for version in (FIRST, SECOND):
        publish(folder / version, objects)
    cache = cache_of()
    cache.obtain(FIRST)
    objects.remove([f"{SECOND}/{name}" for name in read_manifest(folder / SECOND).files])
    cache.obtain(SECOND)
    assert content_of(cache.folder / SECOND) == content_of(folder / SECOND)
    vectors = (cache.folder / version / names.ITEM_VECTORS for version in (FIRST, SECOND))
    assert len({path.stat().st_ino for path in vectors}) == 1


def test_a_damaged_file_of_a_version_that_is_here_is_not_taken(
    folder: Path, objects: ObjectStore, cache_of: Open
) -> None:
    for version in (FIRST, SECOND):
        publish(folder / version, objects)
    cache = cache_of()
    cache.obtain(FIRST)
    path = cache.folder / FIRST / names.ITEM_VECTORS
    path.write_bytes(path.read_bytes()[:-1] + b"\x7e")
    cache.obtain(SECOND)
    assert content_of(cache.folder / SECOND) == content_of(folder / SECOND)
    assert cache.obtain(FIRST, anew=True)
    assert content_of(cache.folder / FIRST) == content_of(folder / FIRST)


@pytest.mark.parametrize("content", [b"", b"half", None], ids=["empty", "other", "missing"])
def test_an_object_that_is_not_as_the_manifest_says_is_refused(
    folder: Path, objects: ObjectStore, cache_of: Open, content: bytes | None
) -> None:
    publish(folder / FIRST, objects)
    name = f"{FIRST}/{names.ITEM_VECTORS}"
    if content is None:
        objects.remove([name])
    else:
        objects.put(name, content)
    cache = cache_of()
    with pytest.raises(BundleCorrupt, match=r"s3://.*: (checksum differs|listed in the manifest but missing)") as error:
        cache.obtain(FIRST)
    assert not isinstance(error.value, BundleMissing)
    assert versions(cache.folder) == []
    objects.put(name, folder / FIRST / names.ITEM_VECTORS)
    cache.obtain(FIRST)
    assert content_of(cache.folder / FIRST) == content_of(folder / FIRST)


def test_a_version_without_its_manifest_is_not_there_yet(folder: Path, objects: ObjectStore, cache_of: Open) -> None:
    publish(folder / FIRST, objects)
    objects.remove([f"{FIRST}/{names.MANIFEST}"])
    with pytest.raises(BundleMissing, match="or not yet"):
        cache_of().obtain(FIRST)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"schema_version": 99}'])
def test_a_damaged_manifest_is_refused_by_its_address(objects: ObjectStore, cache_of: Open, content: bytes) -> None:
    objects.put(f"{FIRST}/{names.MANIFEST}", content)
    with pytest.raises(Exception, match=rf"^{objects.address}/{FIRST}/{names.MANIFEST}: "):
        cache_of().obtain(FIRST)


@pytest.mark.parametrize("name", ["../outside", "/etc/outside", "a/../../outside", "a//b", "", ".", names.MANIFEST])
def test_a_manifest_cannot_name_a_file_outside_of_the_bundle(
    folder: Path, objects: ObjectStore, cache_of: Open, name: str, tmp_path: Path
) -> None:
    publish(folder / FIRST, objects)
    edit_manifest(folder / FIRST, files={name: {"bytes": 4, "sha256": "0" * 64}})
    objects.put(f"{FIRST}/{names.MANIFEST}", folder / FIRST / names.MANIFEST)
    with pytest.raises(BundleCorrupt, match="expected files of the bundle"):
        cache_of().obtain(FIRST)


@pytest.mark.parametrize("version", ["..", "a/b", "", "x" * 200, ".hidden"])
def test_a_pointer_names_only_a_version(objects: ObjectStore, cache_of: Open, version: str) -> None:
    objects.put("CURRENT", version.encode())
    if version:
        with pytest.raises(BundleCorrupt):
            cache_of().pointer()
    else:
        assert cache_of().pointer() is None
    with pytest.raises(BundleCorrupt):
        cache_of().obtain(version)


def test_the_oldest_versions_make_room_and_those_in_use_stay(
    folder: Path, objects: ObjectStore, cache_of: Open
) -> None:
    for number, version in enumerate((FIRST, SECOND, THIRD)):
        path = folder / version / names.ITEM_VECTORS
        path.write_bytes(path.read_bytes()[:-1] + bytes([number]))
        sign_again(folder / version)
        publish(folder / version, objects)
    size = sum(len(content) for content in content_of(folder / FIRST).values())
    own = (folder / FIRST / names.ITEM_VECTORS).stat().st_size
    manifest = 2 * (folder / FIRST / names.MANIFEST).stat().st_size
    cache = cache_of(limit_bytes=size + own + manifest)
    cache.obtain(FIRST)
    cache.obtain(SECOND, in_use=[FIRST])
    assert versions(cache.folder) == [FIRST, SECOND]
    with pytest.raises(BundleUnreadable, match="raise AISLE_CACHE_MB"):
        cache.obtain(THIRD, in_use=[FIRST, SECOND])
    assert versions(cache.folder) == [FIRST, SECOND], "nothing went for a version that does not fit"
    cache.obtain(THIRD, in_use=[SECOND])
    assert versions(cache.folder) == [SECOND, THIRD]


def test_a_fetch_that_was_ended_goes_on_where_it_was(folder: Path, objects: ObjectStore, cache_of: Open) -> None:
    publish(folder / FIRST, objects)
    ending = threading.Event()
    asked: list[bool] = []

    def is_ending() -> bool:
        asked.append(True)
        if len(asked) > 20:
            ending.set()
        return ending.is_set()

    with pytest.raises(BundleUnreadable, match="this service ends"):
        cache_of(is_ending=is_ending).obtain(FIRST)
    cache = cache_of()
    assert versions(cache.folder) == []
    whole = {path.name for path in (cache.folder / f".{FIRST}.partial").rglob("*") if path.is_file()}
    assert len(whole) > 10
    kept = [
        name for name in read_manifest(folder / FIRST).files if (cache.folder / f".{FIRST}.partial" / name).exists()
    ]
    objects.remove([f"{FIRST}/{name}" for name in kept[:1]])
    cache.obtain(FIRST)
    assert content_of(cache.folder / FIRST) == content_of(folder / FIRST)


def test_the_list_of_erasures_comes_with_a_version(folder: Path, objects: ObjectStore, cache_of: Open) -> None:
    note_erasures(folder, {7: 100.0})
    publish(folder / FIRST, objects)
    cache = cache_of()
    cache.folder.mkdir()
    note_erasures(cache.folder, {8: 50.0})
    cache.obtain(FIRST)
    assert read_erasures(cache.folder) == {7: 100.0, 8: 50.0}


def test_files_over_http_are_read(folder: Path, tmp_path: Path) -> None:
    point_to(folder, SECOND)
    with FileSite(folder) as site:
        cache = BundleCache(ObjectStore(ObjectAddress(site.url), LIMITS), tmp_path / "cache", LARGE, 60.0)
        assert cache.pointer() == SECOND
        cache.obtain(SECOND)
        assert content_of(cache.folder / SECOND) == content_of(folder / SECOND)
        with pytest.raises(BundleMissing):
            cache.obtain("v9")


def test_a_store_that_holds_its_answers_is_given_up(objects: ObjectStore, relay: Relay, cache_of: Open) -> None:
    relay.hold()
    started = time.monotonic()
    with pytest.raises(BundleUnreadable, match="does not answer in time"):
        cache_of().obtain(FIRST)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("s3://shops/one/", "s3://shops/one"),
        ("https://me:hunter2@files.example/one?token=hunter2", "https://files.example/one"),
    ],
)
def test_an_address_is_shown_without_credentials(text: str, shown: str) -> None:
    settings = read_settings({"bundle": text}, {})
    assert isinstance(settings.bundle, ObjectAddress)
    assert str(settings.bundle) == repr(settings.bundle) == shown
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize("text", ["ftp://me:hunter2@host/a", "s3://", "s3:///a", "http://@/a"])
def test_an_address_of_another_kind_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="expected a folder, or s3://") as error:
        read_settings({"bundle": text}, {})
    assert "hunter2" not in error.value.message


def test_a_path_stays_a_path() -> None:
    assert read_settings({"bundle": "runs/demo/bundle"}, {}).bundle == Path("runs/demo/bundle")


@pytest.fixture
def serve(
    address: ObjectAddress, tmp_path: Path, listening: Callable[[Starlette], AbstractContextManager[httpx.Client]]
) -> Callable[..., AbstractContextManager[httpx.Client]]:
    """Serves from the store of objects, looking at its pointer every now and then."""

    @contextmanager
    def make(**fields: Any) -> Iterator[httpx.Client]:
        given = {
            "bundle": address,
            "cache": tmp_path / "cache",
            "follow_s": 0.02,
            "object_timeout_s": 1.0,
            "clock": "bundle",
            "device": "cpu",
        }
        with listening(make_app(Settings(**(given | fields)))) as client:
            yield client

    return make


def version_of(client: httpx.Client) -> str:
    answer = client.post("/recommend", json={})
    assert answer.status_code == 200
    return str(answer.json()["model_version"])


def test_the_pointer_of_the_store_is_followed(bundles: Path, objects: ObjectStore, serve: Any) -> None:
    publish(bundles / FIRST, objects)
    with serve() as client:
        assert version_of(client) == FIRST
        publish(bundles / SECOND, objects)
        until(lambda: version_of(client) == SECOND)
        told = {model["version"]: model for model in client.get("/models").json()["models"]}
        assert {version: model["served"] for version, model in told.items()} == {FIRST: False, SECOND: True}
        client.post(f"/models/{FIRST}/activate").raise_for_status()
        assert version_of(client) == FIRST
        assert objects.read("CURRENT", 100) == b"v1\n"


def test_a_corrupt_object_never_touches_what_is_served(
    bundles: Path, objects: ObjectStore, serve: Any, caplog: pytest.LogCaptureFixture
) -> None:
    publish(bundles / FIRST, objects)
    path = bundles / SECOND / names.ITEM_VECTORS
    path.write_bytes(path.read_bytes()[:-1] + b"\x7d")
    sign_again(bundles / SECOND)
    with serve() as client:
        upload(bundles / SECOND, objects)
        objects.put(f"{SECOND}/{names.ITEM_VECTORS}", b"half")
        objects.put("CURRENT", SECOND.encode())
        until(lambda: SECOND in client.get("/readyz").json()["refused"])
        assert "checksum differs" in client.get("/readyz").json()["refused"][SECOND]
        assert version_of(client) == FIRST
        publish(bundles / THIRD, objects)
        until(lambda: version_of(client) == THIRD)
    assert "shop-secret" not in caplog.text
    assert "shop-key" not in caplog.text


@pytest.mark.parametrize("trouble", ["go", "hold"])
def test_a_store_that_is_gone_or_slow_never_touches_what_is_served(
    bundles: Path, objects: ObjectStore, serve: Any, relay: Relay, trouble: str, caplog: pytest.LogCaptureFixture
) -> None:
    publish(bundles / FIRST, objects)
    with serve() as client, caplog.at_level(logging.INFO):
        assert "aisle_bundle_store_available 1.0" in client.get("/metrics").text
        getattr(relay, trouble)()
        until(lambda: "aisle_bundle_store_available 0.0" in client.get("/metrics").text)
        started = time.monotonic()
        assert {version_of(client) for _ in range(20)} == {FIRST}
        assert time.monotonic() - started < 5
        assert client.get("/readyz").status_code == 200
        assert caplog.text.count("the store of bundles does not answer; what is served stays") == 1
        relay.come_back() if trouble == "go" else relay.go_on()
        until(lambda: "aisle_bundle_store_available 1.0" in client.get("/metrics").text)
        assert "the store of bundles answers again" in caplog.text
        publish(bundles / SECOND, objects)
        until(lambda: version_of(client) == SECOND)
    assert "shop-secret" not in caplog.text


def test_a_service_starts_with_what_was_served_last_while_the_store_is_gone(
    bundles: Path, objects: ObjectStore, serve: Any, relay: Relay
) -> None:
    publish(bundles / FIRST, objects)
    with serve() as client:
        publish(bundles / SECOND, objects)
        until(lambda: version_of(client) == SECOND)
    relay.go()
    with serve() as client:
        assert version_of(client) == SECOND


def test_without_anything_here_a_store_that_is_gone_is_said_in_a_line(serve: Any, relay: Relay) -> None:
    relay.go()
    with pytest.raises(BundleUnreadable, match=r"s3://.*cannot be reached, or fails"), serve():
        pass


def test_a_version_that_was_damaged_on_the_disk_is_fetched_again_at_the_start(
    bundles: Path, objects: ObjectStore, serve: Any, tmp_path: Path
) -> None:
    publish(bundles / FIRST, objects)
    with serve() as client:
        assert version_of(client) == FIRST
    (vectors,) = (tmp_path / "cache").glob(f"*/{FIRST}/{names.ITEM_VECTORS}")
    vectors.write_bytes(b"half")
    with serve() as client:
        assert version_of(client) == FIRST
    assert vectors.read_bytes() == (bundles / FIRST / names.ITEM_VECTORS).read_bytes()
