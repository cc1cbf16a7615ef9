"""The stack's nginx: what one replica refuses another answers, and what a replica dies of reaches no second one."""

import os
import re
import shutil
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Thread

import httpx
import pytest

CONFIG = Path(__file__).parents[1] / "deploy" / "nginx.conf"
CALLS = [("GET", "/items/p1"), ("GET", "/recommend"), ("POST", "/recommend"), ("POST", "/events")]
TRIES = 4
ANSWERS = {"answers": b"200 OK", "refuses": b"503 Service Unavailable"}


class Replica:
    """An upstream that answers, refuses, dies of every request, or says nothing."""

    def __init__(self, behaviour: str) -> None:
        self.behaviour = behaviour
        self.asked = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        if behaviour == "gone":
            self.listener.close()
        else:
            Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        silent = []
        while True:
            try:
                stream = self.listener.accept()[0]
            except OSError:
                return
            if not stream.recv(65_536):
                continue
            self.asked += 1
            if self.behaviour == "says nothing":
                silent.append(stream)
                continue
            if self.behaviour in ANSWERS:
                head = b"HTTP/1.1 %s\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % ANSWERS[self.behaviour]
                stream.sendall(head)
            stream.close()


@contextmanager
def balanced(replicas: list[Replica], folder: Path) -> Iterator[httpx.Client]:
    """The stack's nginx before these replicas, which Docker's names stand for otherwise."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    upstream = " ".join(f"server 127.0.0.1:{replica.port} max_fails=0;" for replica in replicas)
    text = CONFIG.read_text("utf-8")
    for old, new in (
        ("listen 8000", f"listen 127.0.0.1:{port}"),
        ("set $replicas http://api:8000", "set $replicas http://replicas"),
        ("    server {\n", f"    upstream replicas {{ {upstream} }}\n    server {{\n"),
        ("proxy_read_timeout 60s", "proxy_read_timeout 200ms"),
        ("worker_processes auto", "worker_processes 1"),
        ("/tmp/", f"{folder}/"),
    ):
        assert old in text
        text = text.replace(old, new)
    (folder / "nginx.conf").write_text(text, "utf-8")
    binary = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") or "nginx"
    process = subprocess.Popen([binary, "-c", str(folder / "nginx.conf"), "-g", "daemon off;"], stderr=subprocess.PIPE)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            _wait_for(port)
            yield client
    finally:
        process.terminate()
        process.communicate()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        else:
            return


@pytest.mark.skipif(shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") is None, reason="no nginx")
@pytest.mark.parametrize(
    ("behaviours", "is_as_expected"),
    [
        (["gone", "answers", "answers"], lambda statuses, asked, _: statuses == {200: TRIES} and asked == TRIES),
        (["dies"] * 3, lambda statuses, asked, _: statuses == {502: TRIES} and asked == TRIES),
        (["says nothing"] * 3, lambda statuses, asked, _: statuses == {502: TRIES} and asked == TRIES),
        (
            ["refuses", "answers", "answers"],
            lambda statuses, asked, path: (statuses == {200: TRIES}) or (path == "/events" and asked == TRIES),
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_only_what_no_replica_has_had_or_what_only_reads_is_asked_again(
    behaviours: list[str], is_as_expected: Callable[[Counter[int], int, str], bool], tmp_path: Path
) -> None:
    replicas = [Replica(behaviour) for behaviour in behaviours]
    with ExitStack() as opened, balanced(replicas, tmp_path) as client:
        for replica in replicas:
            opened.callback(replica.listener.close)
        for method, path in CALLS:
            before = sum(replica.asked for replica in replicas)
            statuses = Counter(client.request(method, path).status_code for _ in range(TRIES))
            asked = sum(replica.asked for replica in replicas) - before
            assert is_as_expected(statuses, asked, path), (method, path, statuses, asked)


def test_nothing_that_a_replica_has_had_is_passed_on_but_for_a_503() -> None:
    rules = re.findall(r"proxy_next_upstream ([^;]*);", CONFIG.read_text("utf-8"))
    first, *_ = rules
    assert first == "http_503"
    for rule in rules:
        assert "non_idempotent" not in rule or rule == "http_503 non_idempotent"
    (elsewhere,) = re.findall(r"location @elsewhere \{(.*?)\n        \}", CONFIG.read_text("utf-8"), re.DOTALL)
    assert "if ($was_reached)" in elsewhere
