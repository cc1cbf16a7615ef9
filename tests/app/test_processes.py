"""`aisle-serve --processes N`: one service by several processes at one port, and what becomes of them."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from redis_process import RedisProcess

from app.errors import SettingsError
from app.server.processes import LAST_PORT, VARIABLE, Place, bind, places, take_place

COMMAND = str(Path(sys.executable).with_name("aisle-serve"))
WITHIN_S = 60


@dataclass(frozen=True)
class Pair:
    """Two processes that answer together."""

    parent: "subprocess.Popen[str]"
    port: int
    own: tuple[int, int]

    def workers(self) -> list[int]:
        """The ids of those that are there."""
        children = Path(f"/proc/{self.parent.pid}/task/{self.parent.pid}/children").read_text("ascii")
        return [int(word) for word in children.split()]


def environment() -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.upper().startswith("AISLE_")}
    return own | {"COLUMNS": "200"}


@contextmanager
def pair_of(shop_bundle: Path, redis: RedisProcess, prefix: str) -> Iterator[Pair]:
    words = ["--bundle", str(shop_bundle), "--clock", "bundle", "--redis", redis.url, "--port", "0"]
    variables = environment() | {"AISLE_REDIS_PREFIX": prefix, "AISLE_DRAIN_S": "0"}
    command = [COMMAND, *words, "--processes", "2"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=variables, text=True, **pipes) as parent:
        try:
            assert parent.stdout is not None
            line = parent.stdout.readline()
            told = re.search(r"127\.0\.0\.1:(\d+) .*, by 2 processes, .* at ports (\d+) and (\d+)", line)
            assert told is not None, (line, parent.communicate()[1])
            port, first, second = (int(text) for text in told.groups())
            yield Pair(parent, port, (first, second))
        finally:
            parent.kill()


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def answers(port: int, path: str = "/readyz") -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=WITHIN_S).is_success
    except httpx.HTTPError:
        return False


def asked(port: int) -> float:
    """How often a process was asked whether it is ready."""
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=WITHIN_S).text
    return sum(
        float(line.split()[-1]) for line in text.splitlines() if re.match(r"aisle_requests_total.*/readyz", line)
    )


def test_two_processes_share_a_port_and_what_shoppers_do_and_one_that_is_lost_is_replaced(
    shop_bundle: Path, redis_server: RedisProcess, item_ids: list[str]
) -> None:
    with pair_of(shop_bundle, redis_server, "two-processes") as pair:
        for _ in range(40):  # a connection each; by one process alone once in 2**39 times
            assert answers(pair.port)
        counts = [asked(port) for port in pair.own]
        assert sum(counts) == 40
        assert all(counts)
        refused = httpx.get(f"http://127.0.0.1:{pair.port}/metrics", timeout=WITHIN_S)
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
        event = {"user_id": "of-both", "item_id": item_ids[0], "type": "purchase"}
        first, second = (f"http://127.0.0.1:{port}" for port in pair.own)
        httpx.post(f"{first}/events", json=event, timeout=WITHIN_S).raise_for_status()
        assert httpx.get(f"{second}/users/of-both", timeout=WITHIN_S).json()["events"]

        before = pair.workers()
        os.kill(before[1], signal.SIGKILL)
        until(lambda: before[1] not in pair.workers() and len(pair.workers()) == 2 and answers(pair.own[1]))
        assert pair.workers()[0] == before[0]
        assert all(answers(pair.port) for _ in range(10))

        pair.parent.send_signal(signal.SIGTERM)
        assert pair.parent.wait(WITHIN_S) == 0
        assert not any(answers(port) for port in (pair.port, *pair.own))
        assert pair.parent.stderr is not None
        lost = [line for line in pair.parent.stderr.read().splitlines() if "a process is lost" in line]
        assert len(lost) == 1
        assert f'"pid": {before[1]}' in lost[0]


def test_processes_end_with_the_one_that_started_them(shop_bundle: Path, redis_server: RedisProcess) -> None:
    with pair_of(shop_bundle, redis_server, "orphans") as pair:
        pair.parent.kill()
        until(lambda: not any(answers(port) for port in (pair.port, *pair.own)))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--bundle", "nowhere"], "2 processes without Redis would each know other shoppers"),
        (["--bundle", "nowhere", "--redis", "redis://127.0.0.1:1"], "nowhere"),
        (["--bundle", "nowhere", "--redis", "redis://127.0.0.1:1", "--port", "65534"], "65535 is the last one"),
    ],
)
def test_what_cannot_be_is_said_once(words: list[str], expected: str) -> None:
    command = [COMMAND, "--processes", "2", "--port", "0", *words]
    found = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False, timeout=WITHIN_S)
    assert (found.returncode, found.stdout) == (1, "")
    (line,) = (line for line in found.stderr.splitlines() if line.startswith("aisle-serve: "))  # behind the logs
    assert expected in line


def test_a_port_that_is_taken_is_named() -> None:
    with bind("127.0.0.1", 0, is_shared=True) as other:
        port = other.getsockname()[1]
        other.listen()
        with pytest.raises(SettingsError, match=f"port {port}"):
            places("127.0.0.1", port, 2)


def test_places_are_distinct_and_free() -> None:
    found = places("127.0.0.1", 0, 3)
    assert len({found[0].port, *(place.own_port for place in found)}) == 4
    assert len({place.port for place in found}) == 1
    for place in found:
        with socket.create_server(("127.0.0.1", place.own_port)):
            pass
    with pytest.raises(SettingsError, match="the last one"):
        places("127.0.0.1", LAST_PORT, 1)


def test_a_process_takes_its_place_once() -> None:
    variables = {VARIABLE: Place(8000, 8001).text(), "PATH": "/bin"}
    code = (
        "import os; from app.server.processes import take_place; print(take_place(os.environ), take_place(os.environ))"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | variables, capture_output=True, text=True, check=True
    )
    assert told.stdout == f"{Place(8000, 8001)} None\n"
    assert take_place({}) is None
