"""A data set in a store of objects is read as the same folder on the disk is."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from job_process import job_here
from object_servers import BUCKET, Relay, S3Server, s3_server, s3_variables

from app.artifact.object_store import ObjectAddress, ObjectStore
from app.errors import ObjectStoreError
from offline.dataset.object_folder import data_place
from offline.errors import InputError, StorageError

EVENTS = "user_id,item_id,event_type,timestamp\n" + "".join(
    f"u{number % 9},i{number % 7},view,{1_700_000_000 + number}\n" for number in range(90)
)
ITEMS = "item_id,title\n" + "".join(f"i{number},Trail shoe {number}\n" for number in range(7))


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as started:
        yield started


@pytest.fixture(autouse=True)
def _variables(server: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {**s3_variables(server.port), "XDG_CACHE_HOME": str(tmp_path / "caches")}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def address(tmp_path: Path) -> str:
    return f"s3://{BUCKET}/{tmp_path.name}"


@pytest.fixture
def objects(address: str) -> ObjectStore:
    """A shop's exports, as objects."""
    store = ObjectStore(ObjectAddress(address))
    store.put("events/one.csv", EVENTS.encode())
    store.put("items.csv", ITEMS.encode())
    return store


def contents(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in files}


def test_init_check_and_ingest_take_an_address(objects: ObjectStore, address: str, tmp_path: Path) -> None:
    code, lines = job_here("init", address)
    assert code == 0, lines
    assert json.loads(lines[-1])["written"] == f"{address}/dataset.toml"
    assert b"[events]" in objects.read("dataset.toml", 100_000)
    for place in (address, f"{address}/dataset.toml"):
        code, lines = job_here("check", place)
        assert code == 0, lines
        assert json.loads(lines[-1])["rows"] == {"events": 90, "items": 7}
    code, lines = job_here("ingest", "--data", address, "--out", tmp_path / "run")
    assert code == 0, lines
    assert "shop-secret" not in "".join(lines)


def test_only_what_changed_is_fetched_again(
    objects: ObjectStore, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = data_place(address)
    assert contents(folder) == {"events/one.csv": EVENTS, "items.csv": ITEMS}
    times = {path: path.stat() for path in folder.rglob("*.csv")}
    assert "fetching 2 of 2 objects" in capsys.readouterr().err

    assert data_place(address) == folder
    assert capsys.readouterr().err == ""
    assert {path: path.stat() for path in times} == times  # so that a run's stages stay done

    objects.put("items.csv", ITEMS.replace("Trail", "Field").encode())  # as many bytes
    objects.put("events/two.csv", EVENTS.encode())
    objects.remove(["events/one.csv"])
    data_place(address)
    assert "fetching 2 of 2 objects" in capsys.readouterr().err
    assert contents(folder) == {"events/two.csv": EVENTS, "items.csv": ITEMS.replace("Trail", "Field")}


def test_a_file_that_was_damaged_here_is_fetched_again(objects: ObjectStore, address: str) -> None:
    folder = data_place(address)
    (folder / "items.csv").write_text("half")
    assert contents(data_place(address))["items.csv"] == ITEMS


@pytest.mark.usefixtures("objects")
def test_a_fetch_that_breaks_off_goes_on_and_leaves_no_part(
    server: S3Server, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay = Relay(server.port)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{relay.port}")
    relay.go()
    with pytest.raises(ObjectStoreError, match="cannot be reached") as refusal:
        data_place(address)
    assert "shop-" not in str(refusal.value).replace(address, "")
    relay.come_back()
    assert len(contents(data_place(address))) == 2
    relay.close()


def test_names_that_are_no_files_are_refused(objects: ObjectStore, address: str) -> None:
    objects.put("items.csv/part", b"1")
    with pytest.raises(InputError, match=r"'items.csv' cannot be the name of a file"):
        data_place(address)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ftp://bucket/shop", "expected a folder, or s3://"),
        (f"s3://{BUCKET}/nothing-there", "got no object below that address"),
        ("https://host/shop", "files over HTTP cannot be listed"),
    ],
)
def test_an_address_that_holds_no_data_set_is_refused_in_a_line(text: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason) as refusal:
        data_place(text)
    assert "\n" not in str(refusal.value)


@pytest.mark.usefixtures("objects")
def test_a_disk_without_room_is_told_before(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("offline.dataset.object_folder._LEFT_FREE", 2**60)
    with pytest.raises(StorageError, match="expected room for"):
        data_place(address)


@pytest.mark.usefixtures("objects")
def test_a_bucket_that_is_not_there_is_said(address: str) -> None:
    with pytest.raises(ObjectStoreError, match="no such bucket"):
        data_place(address.replace(BUCKET, "no-such-bucket"))


def test_a_path_stays_a_path() -> None:
    assert data_place("some/shop") == Path("some/shop")
