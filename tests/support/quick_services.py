"""`aisle-serve` in processes that are quick to start: forked from one that has imported what a service needs."""

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import service_nursery
from serve_process import ServeProcess, started_service


class QuickService:
    """One command, with what tests call of `subprocess.Popen`; its outputs are pipes.

    Args:
        words: of the command line.
        environment: all of its variables.
        stderr: takes what it writes there, instead of a pipe.
    """

    def __init__(self, words: Sequence[str], environment: Mapping[str, str], stderr: IO[str] | None = None) -> None:
        (request, asks), (output, writes), (errors, warns), (told, tells) = (os.pipe() for _ in range(4))
        given = [request, writes, warns if stderr is None else stderr.fileno(), tells]
        self.stdout = os.fdopen(output, encoding="utf-8")
        self.stderr = os.fdopen(errors, encoding="utf-8")
        self.returncode: int | None = None
        self._told = os.fdopen(told)
        try:
            with suppress(BrokenPipeError), os.fdopen(asks, "w") as file:  # the answer says what is wrong
                try:
                    socket.send_fds(_nursery(), [b"+"], given)
                finally:
                    for descriptor in (request, writes, warns, tells):
                        os.close(descriptor)
                json.dump({"words": list(words), "environment": dict(environment), "folder": str(Path.cwd())}, file)
            self.pid = self._next_number()
        except BaseException:
            self._close()
            raise

    def poll(self) -> int | None:
        """The exit code, minus the signal that ended it; `None` while it runs."""
        if self.returncode is None and self._is_over(0.0):
            self.returncode = self._next_number()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code.

        Raises:
            subprocess.TimeoutExpired: it runs on.
        """
        if self.returncode is None and not self._is_over(timeout):
            raise subprocess.TimeoutExpired("aisle-serve", timeout or 0.0)
        code = self.poll()
        assert code is not None
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """All that it still writes until its end."""
        with ThreadPoolExecutor(2) as readers:
            reads = [readers.submit(stream.read) for stream in (self.stdout, self.stderr)]
            try:
                self.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
            output, errors = (read.result() for read in reads)
        return output, errors

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self.kill()
            self.wait()
        finally:
            self._close()

    def _is_over(self, timeout: float | None) -> bool:
        poll = select.poll()
        poll.register(self._told, select.POLLIN)
        return bool(poll.poll(None if timeout is None else timeout * 1e3))

    def _next_number(self) -> int:
        line = self._told.readline()
        if not line:
            raise RuntimeError("the process that services are forked from has ended: what it wrote to stderr says why")
        return int(line)

    def _close(self) -> None:
        for stream in (self.stdout, self.stderr, self._told):
            stream.close()


@contextmanager
def running_service(bundle: Path, redis_url: str | None = None, **settings: object) -> Iterator[ServeProcess]:
    """A service that answers, as that of `serve_process`, but quick to start."""

    def start(environment: Mapping[str, str], log: IO[str]) -> QuickService:
        return QuickService([], environment, log)

    with started_service(start, bundle, redis_url, settings) as service:
        yield service


@cache
def _nursery() -> socket.socket:
    """The door of this process's own."""
    door, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-P", service_nursery.__file__, str(theirs.fileno())],
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},  # it starts its threads when it is imported
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )

    def close() -> None:
        door.shutdown(socket.SHUT_RDWR)  # not `close` alone: another process may hold a copy
        door.close()
        process.wait()

    atexit.register(close)
    return door
