"""A real `aisle-serve` of one's own, for tests and benchmarks: on a free port, killed at the end."""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Protocol, Self

_COMMAND = [sys.executable, "-c", "from app.main import cli; cli()"]  # the console script, of this very interpreter


class RunningProcess(Protocol):
    """What is used of `subprocess.Popen`."""

    returncode: int | Any

    @property
    def pid(self) -> int: ...
    @property
    def stdout(self) -> IO[str] | None: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, number: int, /) -> None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None, /
    ) -> None: ...


Start = Callable[[Mapping[str, str], IO[str]], RunningProcess]
"""Starts the command with all of its variables; what it writes to stderr goes into a file, to stdout into a pipe."""


@dataclass(frozen=True)
class ServeProcess:
    """One service that answers."""

    address: str  # http://HOST:PORT
    process: RunningProcess
    log: Path  # what it has written to stderr

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self.process.kill()
        self.process.wait()


@contextmanager
def running_service(bundle: Path, redis_url: str | None = None, **settings: object) -> Iterator[ServeProcess]:
    """A service that answers, killed at the end.

    Args:
        bundle: a bundle, or a store of bundles.
        redis_url: of its store of user states; in the process if `None`.
        **settings: of `app.settings`, such as `redis_timeout_ms`. Variables of the caller do not count.

    Raises:
        RuntimeError: it did not come up; the message is its own.
    """

    def start(environment: Mapping[str, str], log: IO[str]) -> RunningProcess:
        return subprocess.Popen(_COMMAND, env=dict(environment), stdout=subprocess.PIPE, stderr=log, text=True)

    with started_service(start, bundle, redis_url, settings) as service:
        yield service


@contextmanager
def started_service(
    start: Start, bundle: Path, redis_url: str | None, settings: Mapping[str, object]
) -> Iterator[ServeProcess]:
    """As `running_service`, but for how the process is started."""
    given = {"bundle": bundle, "port": 0, "log_level": "warning", "redis": redis_url} | settings
    environment = {name: value for name, value in os.environ.items() if not name.upper().startswith("AISLE_")}
    environment |= {f"AISLE_{name.upper()}": str(value) for name, value in given.items() if value is not None}
    with tempfile.NamedTemporaryFile("w+") as log, start(environment, log) as process:
        try:
            assert process.stdout is not None
            announced = re.search(r"http://[^\s;]+", process.stdout.readline())
            if announced is None:
                log.seek(0)
                raise RuntimeError(f"the service did not come up: {log.read()}")
            yield ServeProcess(announced[0], process, Path(log.name))
        finally:
            process.kill()
