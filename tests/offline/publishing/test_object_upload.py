"""A version is sent to a store of objects whole, or nobody takes it."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from few_files import edit_manifest, keep_few, sign_again
from job_process import job_here
from object_servers import BUCKET, Relay, S3Server, s3_server, s3_variables

from app.artifact import names
from app.artifact.bundle_store import resolve
from app.artifact.erasures import note_erasures
from app.artifact.manifest import read_manifest
from app.artifact.object_store import ObjectAddress, ObjectStore
from offline.errors import InputError, PublishRefused
from offline.publishing.object_upload import (
    keep_newest,
    object_pointer,
    object_versions,
    point_objects,
    remove_objects,
    upload,
)

FIRST, SECOND, THIRD = "v1", "v2", "v3"


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as started:
        yield started


@pytest.fixture
def objects(server: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ObjectStore:
    for name, value in s3_variables(server.port).items():
        monkeypatch.setenv(name, value)
    return ObjectStore(ObjectAddress(f"s3://{BUCKET}/{tmp_path.name}"))


@pytest.fixture
def bundles(shop_bundle: Path, tmp_path: Path) -> Path:
    """A store of bundles with versions of which each has a file of its own."""
    folder = tmp_path / "made"
    folder.mkdir()
    for number, version in enumerate((FIRST, SECOND, THIRD)):
        shutil.copytree(resolve(shop_bundle), folder / version)
        path = folder / version / names.ITEM_VECTORS
        path.write_bytes(path.read_bytes()[:-1] + bytes([number]))
        edit_manifest(folder / version, version=version)
        sign_again(folder / version)
    return folder


@pytest.fixture
def folder(bundles: Path) -> Path:
    """The same, of a few files each."""
    for version in (FIRST, SECOND, THIRD):
        keep_few(bundles / version)
    return bundles


def content_in(objects: ObjectStore, version: str) -> dict[str, bytes]:
    return {name: b"".join(objects.chunks(f"{version}/{name}")) for name in objects.sizes_below(version)}


def content_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_version_is_sent_as_it_is(folder: Path, objects: ObjectStore) -> None:
    sent = upload(folder / FIRST, objects)
    assert content_in(objects, FIRST) == content_of(folder / FIRST)
    assert object_pointer(objects) is None, "nothing points to it yet"
    assert sent.sent + sent.copied + sent.kept == sent.files == len(read_manifest(folder / FIRST).files)
    assert point_objects(folder / FIRST, objects) is None
    assert object_pointer(objects) == FIRST


def test_what_the_store_has_is_not_sent_again(folder: Path, objects: ObjectStore) -> None:
    upload(folder / FIRST, objects)
    second = upload(folder / SECOND, objects)
    assert (second.sent, second.kept) == (1, 0)
    assert content_in(objects, SECOND) == content_of(folder / SECOND)
    again = upload(folder / SECOND, objects)
    assert (again.sent, again.copied, again.kept) == (0, 0, again.files)


def test_a_damaged_object_is_sent_again(folder: Path, objects: ObjectStore) -> None:
    upload(folder / FIRST, objects)
    path = folder / FIRST / names.ITEM_VECTORS
    objects.put(f"{FIRST}/{names.ITEM_VECTORS}", path.read_bytes()[:-1] + b"\x7e")
    assert upload(folder / FIRST, objects).sent == 1
    # One that another version would be copied from is read back, too.
    objects.put(f"{FIRST}/{names.ITEM_SCALES}", b"half")
    upload(folder / SECOND, objects)
    assert content_in(objects, SECOND) == content_of(folder / SECOND)


def test_another_bundle_of_the_same_name_is_refused(folder: Path, objects: ObjectStore) -> None:
    upload(folder / FIRST, objects)
    edit_manifest(folder / FIRST, seed=99)
    with pytest.raises(PublishRefused, match="another bundle of that name"):
        upload(folder / FIRST, objects)


def test_only_the_newest_and_those_in_use_are_kept(folder: Path, objects: ObjectStore) -> None:
    for version in (FIRST, SECOND, THIRD):
        upload(folder / version, objects)
    point_objects(folder / FIRST, objects)
    assert keep_newest(objects, 1, set()) == []
    point_objects(folder / THIRD, objects)
    assert keep_newest(objects, 2, set()) == [FIRST]
    assert object_versions(objects) == [SECOND, THIRD]
    remove_objects(objects, SECOND)
    assert object_versions(objects) == [THIRD]


def test_erasures_in_the_store_are_joined(folder: Path, objects: ObjectStore) -> None:
    note_erasures(folder, {7: 100.0})
    point_objects(folder / FIRST, objects)
    objects.put("ERASURES", objects.read("ERASURES", 1000) + b"0000000000000008 50.0\n")
    note_erasures(folder, {9: 70.0})
    point_objects(folder / FIRST, objects)
    lines = objects.read("ERASURES", 1000).split(b"\n")
    assert {int(line.split()[0], 16) for line in lines if line} == {7, 8, 9}


def test_a_killed_upload_leaves_no_version_and_goes_on(
    bundles: Path, objects: ObjectStore, server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = str(objects.address)
    upload(bundles / FIRST, objects)
    point_objects(bundles / FIRST, objects)
    remove_objects(objects, FIRST)  # so that nothing can be copied; the pointer stays
    words = ["publish", "--bundle", str(bundles / SECOND), "--to", address, "--force", "a test", "--by", "me"]
    process: list[subprocess.Popen[bytes]] = []
    relay = Relay(server.port, lambda sent: process[0].kill() if process and sent > 1_000_000 else None)
    for name, value in s3_variables(relay.port).items():
        monkeypatch.setenv(name, value)
    command = "from offline.cli import cli; cli()"
    process.append(subprocess.Popen([sys.executable, "-c", command, *words]))
    assert process[0].wait(120) == -9
    relay.close()
    there = objects.sizes_below(SECOND)
    assert there, "some files arrived"
    assert names.MANIFEST not in there
    assert object_pointer(objects) == FIRST
    for name, value in s3_variables(server.port).items():
        monkeypatch.setenv(name, value)
    code, lines = job_here(*words)
    assert code == 0, lines
    assert json.loads(lines[-1])["objects"]["kept"] > 0
    assert object_pointer(objects) == SECOND
    assert content_in(objects, SECOND) == content_of(bundles / SECOND)


@pytest.mark.parametrize("address", ["https://host/shop", "runs/demo", "ftp://host/shop"])
def test_an_address_that_cannot_be_written_is_refused(folder: Path, address: str) -> None:
    with pytest.raises(InputError, match="--to: expected a"):
        job_here("publish", "--bundle", folder / FIRST, "--to", address)


def test_publish_has_to_be_told_where(folder: Path) -> None:
    with pytest.raises(InputError, match="expected --redis, --to or both"):
        job_here("publish", "--bundle", folder / FIRST)
