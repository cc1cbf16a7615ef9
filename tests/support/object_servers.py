"""Stores of objects on loopback: a server of the S3 protocol, and a relay before it that can be slow, cut or gone."""

import os
import re
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.request import Request, urlopen

import pytest

BUCKET = "shops"


def need_object_servers() -> None:
    """Skip on a machine without the packages; fail where CI is set."""
    if any(find_spec(package) is None for package in ("obstore", "moto", "flask_cors")):
        if os.environ.get("CI"):
            pytest.fail("CI needs obstore, moto and flask-cors")
        pytest.skip("needs obstore, moto and flask-cors")


class S3Server:
    """A process that speaks the protocol of S3 and holds objects in memory, with one bucket."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if (said := re.search(r"http://127\.0\.0\.1:(\d+)", line)) is not None:
                self.port = int(said[1])
                break
        else:
            raise AssertionError("the S3 server did not start")
        threading.Thread(target=self._process.stderr.read, daemon=True).start()
        self.create_bucket(BUCKET)

    def create_bucket(self, name: str) -> None:
        urlopen(Request(f"http://127.0.0.1:{self.port}/{name}", method="PUT")).close()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


class Relay:
    """Passes connections on to a port of this machine; `hold` passes nothing on, `gone` refuses.

    Args:
        port: where to.
        on_sent: called with the bytes that passed towards the server so far.
    """

    def __init__(self, port: int, on_sent: Callable[[int], None] = lambda sent: None) -> None:
        self._target = port
        self._on_sent = on_sent
        self.sent = 0
        self._passes = threading.Event()
        self._passes.set()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def hold(self) -> None:
        self._passes.clear()

    def go_on(self) -> None:
        self._passes.set()

    def go(self) -> None:
        """Be gone: nothing listens, and what was open is cut."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in list(self._open):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def come_back(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.go()
        self._passes.set()

    def _accept(self) -> None:
        listener = self._listener
        while True:
            try:
                caller, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pass, args=(caller,), daemon=True).start()

    def _pass(self, caller: socket.socket) -> None:
        with closing(caller), socket.create_connection(("127.0.0.1", self._target)) as server:
            self._open |= {caller, server}
            ready = select.poll()
            for end in (caller, server):
                ready.register(end, select.POLLIN)
            ends = {end.fileno(): end for end in (caller, server)}
            try:
                while True:
                    for number, _ in ready.poll():
                        end = ends[number]
                        content = end.recv(65_536)
                        if not content:
                            return
                        self._passes.wait()
                        if end is caller:
                            self.sent += len(content)
                            self._on_sent(self.sent)
                        (server if end is caller else caller).sendall(content)
            except OSError:
                return
            finally:
                self._open -= {caller, server}


def s3_variables(port: int) -> dict[str, str]:
    """The standard variables by which a client finds a server of this machine."""
    return {
        "AWS_ACCESS_KEY_ID": "shop-key",
        "AWS_SECRET_ACCESS_KEY": "shop-secret",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
    }


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        return


class FileSite:
    """The files of a folder over HTTP."""

    def __init__(self, folder: Path) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "FileSite":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def s3_server() -> Iterator[S3Server]:
    need_object_servers()
    server = S3Server()
    try:
        yield server
    finally:
        server.close()
