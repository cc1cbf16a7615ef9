"""`aisle-serve` as a process: it serves, it stops in order, and every refusal is one line."""

import ctypes
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import httpx
import pytest
from quick_services import QuickService

from app.artifact import names
from app.artifact.bundle_store import POINTER, point_to, resolve
from app.artifact.manifest import list_files
from app.settings import Settings

COMMAND = str(Path(sys.executable).with_name("aisle-serve"))
WITHIN_S = 30


def environment(**more: str) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.upper().startswith("AISLE_")}
    return own | {"COLUMNS": "200"} | more


@contextmanager
def served(*options: str, **variables: str) -> Iterator[tuple[QuickService, str]]:
    """A process that answers, and its address."""
    with QuickService(["--port", "0", *options], environment(**variables)) as process:
        announced = re.search(r"http://[^\s;]+", process.stdout.readline())
        assert announced is not None, process.communicate()[1]
        yield process, announced[0]


def refusal(*options: str, **variables: str) -> str:
    """The one line that the service refuses with."""
    with QuickService(["--port", "0", *options], environment(**variables)) as process:
        stdout, stderr = process.communicate(WITHIN_S)
    assert process.returncode == 1
    return the_line(stdout, stderr)


def refusal_of_the_command(*options: str, before: Callable[[], None] | None = None, **variables: str) -> str:
    """As `refusal`, of the installed command in an interpreter of its own; `before` is called in it."""
    found = subprocess.run(
        [COMMAND, "--port", "0", *options],
        env=environment(**variables),
        capture_output=True,
        text=True,
        check=False,
        timeout=WITHIN_S,
        preexec_fn=before,
    )
    assert found.returncode == 1
    return the_line(found.stdout, found.stderr)


def the_line(stdout: str, stderr: str) -> str:
    assert stdout == ""
    lines = stderr.splitlines()
    assert len(lines) == 1, stderr
    return lines[0]


def test_it_serves_a_bundle_and_finishes_what_it_began_when_told_to_stop(shop_bundle: Path, users: list[str]) -> None:
    command = [COMMAND, "--port", "0", "--bundle", str(shop_bundle), "--clock", "bundle"]
    outputs = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=environment(), text=True, **outputs) as process:
        assert process.stdout is not None
        announced = re.search(r"http://[^\s;]+", process.stdout.readline())
        assert announced is not None, process.communicate()[1]
        address = announced[0]
        assert address.startswith("http://127.0.0.1:")
        with httpx.Client(base_url=address, timeout=WITHIN_S) as client:
            assert client.get("/readyz").json()["status"] == "ready"
            body = json.dumps({"user_id": users[0], "k": 5}).encode()
            assert len(client.post("/recommend", content=body).json()["items"]) == 5
            where = (client.base_url.host, client.base_url.port or 0)
            with socket.create_connection(where, WITHIN_S) as slow:
                head = f"POST /recommend HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n"
                slow.sendall(head.encode() + body[:5])
                assert client.get("/livez").status_code == 200  # so the head before it has been read
                process.send_signal(signal.SIGTERM)
                wait_until_closed(where)
                slow.sendall(body[5:])
                answer = b"".join(iter(lambda: slow.recv(65536), b""))
                assert answer.startswith(b"HTTP/1.1 200")
                assert answer.count(b'"rank"') == 5
        process.wait(WITHIN_S)
        assert process.returncode == 0
        assert process.stderr is not None
        lines = [json.loads(line) for line in process.stderr.read().splitlines()]
        assert {"time", "level", "logger", "message"} <= set.intersection(*(set(line) for line in lines))
        loaded = next(line for line in lines if line["message"] == "bundle loaded")
        assert loaded["items"] > 0
        assert not any(line["level"] == "ERROR" for line in lines)


def wait_until_closed(where: tuple[str, int]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        try:
            socket.create_connection(where, 1).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.01)
    pytest.fail("the service still accepts connections")


def test_it_says_that_it_has_no_keys(shop_bundle: Path) -> None:
    with QuickService(["--port", "0", "--bundle", str(shop_bundle)], environment()) as process:
        assert "only from this machine, since it has no keys" in process.stdout.readline()
        process.terminate()


def test_without_keys_it_listens_to_its_own_machine_only(shop_bundle: Path) -> None:
    line = refusal("--bundle", str(shop_bundle), "--host", "0.0.0.0")
    assert "without keys" in line
    assert "AISLE_ADMIN_KEYS" in line


def test_with_keys_it_listens_anywhere_and_asks_for_them(shop_bundle: Path, users: list[str]) -> None:
    keys = {"AISLE_READ_KEYS": "shop-1, shop-2", "AISLE_ADMIN_KEYS": "boss"}
    with served("--bundle", str(shop_bundle), "--host", "0.0.0.0", "--log-level", "debug", **keys) as (
        process,
        address,
    ):
        port = address.rsplit(":", 1)[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=WITHIN_S) as client:
            assert client.get("/readyz").status_code == 200
            assert client.post("/recommend", json={}).status_code == 401
            for key in ("shop-1", "shop-2", "boss"):
                assert client.post("/recommend", json={}, headers={"X-API-Key": key}).status_code == 200
            assert client.get("/models", headers={"Authorization": "Bearer shop-1"}).status_code == 403
            assert client.get("/models", headers={"Authorization": "Bearer boss"}).status_code == 200
            client.get(f"/users/{users[0]}", headers={"X-API-Key": "boss"})
        process.terminate()
        logged = process.communicate(timeout=WITHIN_S)[1]
    assert process.returncode == 0
    for secret in ("shop-1", "shop-2", "boss", users[0]):
        assert secret not in logged


def test_told_to_stop_it_wants_no_more_before_it_closes_the_door(shop_bundle: Path) -> None:
    with (
        served("--bundle", str(shop_bundle), AISLE_DRAIN_S="30") as (process, address),
        httpx.Client(base_url=address, timeout=WITHIN_S) as client,
    ):
        assert client.get("/readyz").status_code == 200
        process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + WITHIN_S
        while (response := client.get("/readyz")).status_code == 200:
            assert time.monotonic() < deadline, "it still calls itself ready"
            time.sleep(0.01)
        assert (response.status_code, response.json()["status"]) == (503, "draining")
        assert client.post("/recommend", json={}).status_code == 200
        assert httpx.post(f"{address}/recommend", json={}).status_code == 200  # a new connection, too
        process.send_signal(signal.SIGTERM)  # a second one does not wait
        assert process.wait(WITHIN_S) == 0


def test_an_impatient_end_is_no_error(shop_bundle: Path) -> None:
    with (
        served("--bundle", str(shop_bundle), AISLE_DRAIN_S="0") as (process, address),
        httpx.Client(base_url=address, timeout=WITHIN_S) as client,
    ):
        where = (client.base_url.host, client.base_url.port or 0)
        with socket.create_connection(where, WITHIN_S) as slow:
            slow.sendall(b"POST /recommend HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n{")
            assert client.get("/livez").status_code == 200  # so the head before it has been read
            process.send_signal(signal.SIGTERM)
            wait_until_closed(where)
            process.send_signal(signal.SIGINT)  # uvicorn waits for nothing any more
            logged = process.communicate(WITHIN_S)[1]
    assert process.returncode == 0
    assert not [line for line in logged.splitlines() if json.loads(line)["level"] == "ERROR"]


def test_told_to_stop_while_it_starts_it_stops(shop_bundle: Path) -> None:
    with served("--bundle", str(shop_bundle)) as (process, _):
        process.send_signal(signal.SIGTERM)
        assert process.wait(WITHIN_S) == 0


def test_told_to_wait_it_listens_without_a_bundle_and_serves_the_first_that_comes(
    shop_bundle: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    with (
        served("--bundle", str(store), AISLE_WAIT="true") as (process, address),
        httpx.Client(base_url=address, timeout=WITHIN_S) as client,
    ):
        waiting = client.get("/readyz")
        assert (waiting.status_code, waiting.json()["status"]) == (503, "waiting")
        assert client.post("/recommend", json={}).headers["retry-after"] == "1"
        bundle = resolve(shop_bundle)
        shutil.copytree(bundle, store / bundle.name)
        point_to(store, bundle.name)
        deadline = time.monotonic() + WITHIN_S
        while (ready := client.get("/readyz")).status_code == 503:
            assert time.monotonic() < deadline, ready.text
            time.sleep(0.01)
        assert ready.json()["model_version"] == bundle.name
        assert client.post("/recommend", json={}).status_code == 200
        assert 'route="/recommend",status="200"' in client.get("/metrics").text
        process.send_signal(signal.SIGTERM)
        assert process.wait(WITHIN_S) == 0


def without_override() -> None:
    """In a child of root, before it becomes the service: files of others are closed to it, as to any other user."""
    drop_from_bounding_set = 24
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        ctypes.CDLL(None).prctl(drop_from_bounding_set, capability, 0, 0, 0)


def unreadable_file(store: Path) -> None:
    (store / "v1" / names.ITEM_VECTORS).chmod(0)


def unreadable_pointer(store: Path) -> None:
    (store / POINTER).chmod(0)


def unreadable_folder(store: Path) -> None:
    (store / "v1").chmod(0)


def long_pointer(store: Path) -> None:
    (store / POINTER).write_text("x" * 5_000)


def pointer_of_bytes(store: Path) -> None:
    (store / POINTER).write_bytes(b"\xff\xfe")


def pointer_above(store: Path) -> None:
    (store / POINTER).write_text("../store/v1")


def other_graph(store: Path) -> None:
    folder = store / "v1"
    shutil.copyfile(folder / names.RANK_GRAPH, folder / names.RETRIEVE_GRAPH)
    path = folder / names.MANIFEST
    files = {name: entry.model_dump() for name, entry in list_files(folder).items()}
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | {"files": files}), "utf-8")


@pytest.fixture
def store(shop_bundle: Path, tmp_path: Path) -> Path:
    """A store with one version, v1."""
    store = tmp_path / "store"
    shutil.copytree(resolve(shop_bundle), store / "v1")
    path = store / "v1" / names.MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | {"version": "v1"}), "utf-8")
    point_to(store, "v1")
    return store


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (long_pointer, "CURRENT: expected the name of a version"),
        (other_graph, "retrieve.onnx: expected the inputs age_buckets"),
        (pointer_above, "CURRENT: expected the name of a version"),
    ],
)
def test_a_start_that_cannot_be_ends_in_one_line(store: Path, damage: Callable[[Path], None], words: str) -> None:
    damage(store)
    line = refusal("--bundle", str(store))
    assert line.startswith("aisle-serve: ")
    assert words in line


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (unreadable_file, "vectors.npy: cannot be read (Permission denied)"),
        (unreadable_pointer, "CURRENT: cannot be read (Permission denied)"),
        (unreadable_folder, "v1/manifest.json: cannot be read (Permission denied)"),
    ],
)
def test_a_start_from_what_cannot_be_read_ends_in_one_line(
    store: Path, damage: Callable[[Path], None], words: str
) -> None:
    damage(store)
    line = refusal_of_the_command("--bundle", str(store), before=without_override)
    assert line.startswith("aisle-serve: ")
    assert words in line


def test_told_to_wait_it_waits_on_whatever_is_wrong_and_serves_what_is_mended(store: Path) -> None:
    whole = (store / POINTER).read_bytes()
    pointer_of_bytes(store)
    with (
        served("--bundle", str(store), AISLE_WAIT="true") as (process, address),
        httpx.Client(base_url=address, timeout=WITHIN_S) as client,
    ):
        deadline = time.monotonic() + WITHIN_S
        while "CURRENT: expected the name of a version" not in client.get("/readyz").json()["reason"]:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        (store / POINTER).write_bytes(whole)
        process.send_signal(signal.SIGTERM)
        assert process.wait(WITHIN_S) == 0


def test_told_to_stop_while_it_waits_it_stops(tmp_path: Path) -> None:
    with served("--bundle", str(tmp_path), AISLE_WAIT="true") as (process, _):
        process.send_signal(signal.SIGTERM)
        assert process.wait(WITHIN_S) == 0


def test_told_to_wait_it_still_refuses_settings_that_are_wrong(tmp_path: Path) -> None:
    with served("--bundle", str(tmp_path), AISLE_WAIT="true", AISLE_READ_KEYS="a", AISLE_ADMIN_KEYS="a") as (
        process,
        _,
    ):
        errors = process.communicate(timeout=WITHIN_S)[1]
    assert process.returncode == 1
    assert errors.splitlines()[-1].startswith("aisle-serve: AISLE_READ_KEYS and AISLE_ADMIN_KEYS")


def test_behind_what_listens_for_it_the_address_of_that_counts(shop_bundle: Path) -> None:
    host = ("--bundle", str(shop_bundle), "--host", "0.0.0.0")
    assert "got host 0.0.0.0" in refusal(*host, AISLE_REACHED_AT="0.0.0.0")
    with served(*host, AISLE_REACHED_AT="127.0.0.1") as (_, address):
        port = address.rsplit(":", 1)[1]
        assert httpx.post(f"http://127.0.0.1:{port}/recommend", json={}).status_code == 200


@pytest.mark.parametrize(("host", "shown"), [("0.0.0.0", "0.0.0.0"), ("::", "[::]")])
def test_all_addresses_of_a_machine_are_never_called_this_machine_alone(
    shop_bundle: Path, host: str, shown: str
) -> None:
    variables = environment(AISLE_REACHED_AT="127.0.0.1")
    with QuickService(["--port", "0", "--host", host, "--bundle", str(shop_bundle)], variables) as process:
        line = process.stdout.readline()
        process.kill()
    assert shown in line
    assert "only from this machine" not in line
    assert "without keys" in line
    assert "127.0.0.1 has to keep others out" in line


@pytest.mark.parametrize("name", ["AISLE_READ_KEYS", "AISLE_ADMIN_KEYS", "AISLE_CURSOR_SECRETS"])
@pytest.mark.parametrize("value", ["", ",", " , ,"])
def test_a_list_of_keys_without_a_key_is_refused_in_one_line(shop_bundle: Path, name: str, value: str) -> None:
    line = refusal("--bundle", str(shop_bundle), **{name: value})
    assert name in line
    assert "expected at least one" in line


def closed_loop(where: tuple[str, int], pause_s: float, seen: Counter[str]) -> None:
    """Ask one after the other until nobody listens any more; a connection is left with its last answer."""
    connection: socket.socket | None = None
    while True:
        try:
            connection = connection or socket.create_connection(where, WITHIN_S)
        except ConnectionRefusedError:
            return
        try:
            connection.sendall(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n")
            answer = connection.recv(65_536)
        except OSError:
            answer = b""
        seen["answered" if answer.startswith(b"HTTP/1.1 200") else "lost"] += 1
        if not answer or b"connection: close" in answer:
            seen["left"] += 1
            connection.close()
            connection = None
        time.sleep(pause_s)


@pytest.mark.parametrize("drain_s", ["0", "0.5"])
def test_told_to_stop_it_answers_whoever_has_asked_and_says_that_it_is_the_last_time(
    shop_bundle: Path, drain_s: str
) -> None:
    seen_by: list[Counter[str]] = [Counter() for _ in range(12)]  # threads that share one lose counts
    with served("--bundle", str(shop_bundle), AISLE_DRAIN_S=drain_s) as (process, address):
        where = ("127.0.0.1", int(address.rsplit(":", 1)[1]))
        assert httpx.get(f"{address}/readyz", timeout=WITHIN_S).status_code == 200
        clients = [Thread(target=closed_loop, args=(where, pause / 100, seen)) for pause, seen in enumerate(seen_by)]
        for client in clients:
            client.start()
        while sum(seen["answered"] for seen in seen_by) < 200:
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        assert process.wait(WITHIN_S) == 0
        for client in clients:
            client.join(WITHIN_S)
    assert [seen["lost"] for seen in seen_by] == [0] * len(clients)
    assert all(seen["left"] for seen in seen_by)


def test_it_starts_and_answers_though_redis_is_not_there_and_says_so(shop_bundle: Path, users: list[str]) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"redis://someone:secret@127.0.0.1:{nobody.getsockname()[1]}/0"
        with served("--bundle", str(shop_bundle), "--redis", url) as (process, address):
            assert httpx.get(f"{address}/readyz").json()["store_available"] is False
            answer = httpx.post(f"{address}/recommend", json={"user_id": users[0]}).json()
            assert answer["degraded"] == ["user_state", "catalogue"]
            assert len(answer["items"]) == 20
            assert (
                httpx.post(f"{address}/events", json={"user_id": "u", "item_id": "i", "type": "view"}).status_code
                == 503
            )
            process.terminate()
            logged = process.communicate(timeout=WITHIN_S)[1]
    assert process.returncode == 0
    assert "secret" not in logged


def test_an_address_of_redis_that_is_none_is_refused_in_one_line_without_its_password(shop_bundle: Path) -> None:
    line = refusal("--bundle", str(shop_bundle), "--redis", "http://someone:secret@localhost")
    assert "redis://HOST:PORT/DB" in line
    assert "secret" not in line


def test_all_settings_are_listed_with_their_meaning() -> None:
    found = subprocess.run([COMMAND, "--settings"], env=environment(), check=True, capture_output=True, text=True)
    lines = found.stdout.splitlines()
    assert len(lines) == len(Settings.model_fields)
    for name in ("AISLE_REDIS_PASSWORD", "AISLE_DRAIN_S", "AISLE_MAX_PENDING"):
        assert any(line.startswith(f"{name} (default") for line in lines)


def test_the_log_level_debug_writes_a_line_a_request_without_ids_of_people(shop_bundle: Path, users: list[str]) -> None:
    with served("--bundle", str(shop_bundle), "--log-level", "debug") as (process, address):
        httpx.get(f"{address}/recommend", params={"user_id": users[0]}, headers={"X-Request-ID": "r1"})
        process.terminate()
        logged = process.communicate(timeout=WITHIN_S)[1]
    line = next(line for line in map(json.loads, logged.splitlines()) if line.get("request_id") == "r1")
    assert (line["route"], line["status"]) == ("/recommend", 200)
    assert users[0] not in logged


def test_a_spoiled_bundle_is_refused_in_one_line(spoiled: Path) -> None:
    path = spoiled / names.ITEM_VECTORS
    path.write_bytes(path.read_bytes()[:-1])
    line = refusal("--bundle", str(spoiled))
    assert str(path) in line
    assert "checksum" in line


def test_a_manifest_of_many_faults_is_refused_in_one_line(spoiled: Path) -> None:
    (spoiled / names.MANIFEST).write_text(f'{{"schema_version": {names.SCHEMA_VERSION}}}', "utf-8")
    assert str(spoiled / names.MANIFEST) in refusal("--bundle", str(spoiled))


def test_no_bundle_is_refused_in_one_line(tmp_path: Path) -> None:
    assert "--bundle" in refusal()
    assert "aisle-offline run" in refusal("--bundle", str(tmp_path))


def test_the_folder_of_a_run_is_refused_with_the_folder_to_name(shop_bundle: Path) -> None:
    assert f"name {shop_bundle}" in refusal("--bundle", str(shop_bundle.parent))


def test_a_wrong_setting_is_refused_in_one_line() -> None:
    assert "did you mean AISLE_PORT" in refusal(AISLE_PROT="80")
    assert "AISLE_MAX_BATCH" in refusal(AISLE_MAX_BATCH="none")
    assert "AISLE_CLOCK" in refusal("--clock", "moon")


def test_a_taken_port_is_refused_in_one_line(shop_bundle: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert f"port {port}" in refusal("--bundle", str(shop_bundle), "--port", port)


def test_without_a_runtime_it_says_what_to_install(shop_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('not here')", "utf-8")
    assert "pip install 'aisle[cpu]'" in refusal_of_the_command("--bundle", str(shop_bundle), PYTHONPATH=str(tmp_path))


def test_help_names_options_and_variables() -> None:
    found = subprocess.run([COMMAND, "--help"], env=environment(), check=True, capture_output=True, text=True)
    for word in ("--bundle", "--host", "--port", "--threads", "--clock", "--log-level", "AISLE_BUNDLE"):
        assert word in found.stdout
