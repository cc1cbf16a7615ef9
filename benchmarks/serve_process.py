"""A real `aisle-serve` of one's own, for tests and benchmarks: on a free port, killed at the end."""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_COMMAND = [sys.executable, "-c", "from app.main import cli; cli()"]  # the console script, of this very interpreter


@dataclass(frozen=True)
class ServeProcess:
    """One service that answers."""

    address: str  # http://HOST:PORT
    process: subprocess.Popen[str]
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
    given = {"bundle": bundle, "port": 0, "log_level": "warning", "redis": redis_url} | settings
    environment = {name: value for name, value in os.environ.items() if not name.upper().startswith("AISLE_")}
    environment |= {f"AISLE_{name.upper()}": str(value) for name, value in given.items() if value is not None}
    with tempfile.NamedTemporaryFile("w+") as log:
        process = subprocess.Popen(_COMMAND, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            assert process.stdout is not None
            announced = re.search(r"http://[^\s;]+", process.stdout.readline())
            if announced is None:
                log.seek(0)
                raise RuntimeError(f"the service did not come up: {log.read()}")
            yield ServeProcess(announced[0], process, Path(log.name))
        finally:
            process.kill()
            process.communicate()
