"""`aisle-offline` in processes that are quick to start: forked from one that has imported what the job needs."""

import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

WITHIN_S = 120

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["offline.job", "offline.workspace.display", "offline.cli", "torch.onnx", "onnxscript"])


class JobProcess:
    """One command; what it writes to either output comes in `lines`.

    Args:
        words: of the command line.
        largest_file: bytes that a file may have, as on a disk that is full.
    """

    def __init__(self, *words: str | Path, largest_file: int | None = None) -> None:
        reader, writer = _context.Pipe(duplex=False)
        self._process = _context.Process(target=_run, args=(list(map(str, words)), writer, largest_file))
        self._process.start()
        writer.close()
        self._output = os.fdopen(os.dup(reader.fileno()), encoding="utf-8", errors="replace")
        reader.close()

    def lines(self) -> Iterator[str]:
        """As they come; ends with the process."""
        for line in self._output:  # noqa: UP028 - `yield from` would close it with the generator
            yield line

    def kill(self) -> None:
        """As `kill -9` does."""
        self._process.kill()
        self.wait()

    def send(self, number: int) -> None:
        """Send a signal."""
        os.kill(int(self._process.pid or 0), number)

    def wait(self) -> int:
        """The exit code; minus the signal that ended it."""
        self._process.join(WITHIN_S)
        code = self._process.exitcode
        assert code is not None, "it never ended"
        return code


def job(*words: str | Path, **options: Any) -> tuple[int, list[str]]:
    """Exit code and lines of a command."""
    process = JobProcess(*words, **options)
    lines = [line.rstrip("\n") for line in process.lines()]
    return process.wait(), lines


def job_here(*words: str | Path) -> tuple[int, list[str]]:
    """As `job`, in this process: what earlier ones of it have read and followed, such as the network's graph, is there.

    Raises:
        Exception: that the command would end with, in one line or a traceback.
    """
    from offline.cli import app

    done = CliRunner().invoke(app, list(map(str, words)))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output.splitlines()


def completed_job(*words: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """A command that has ended, with what it wrote to each output.

    Args:
        words: of the command line.
        variables: of its environment, beside those of this process.
    """
    command = list(map(str, words))
    with tempfile.TemporaryDirectory() as folder:
        outputs = [Path(folder) / name for name in ("stdout", "stderr")]
        process = _context.Process(target=_run_apart, args=(command, outputs, dict(os.environ) | variables))
        process.start()
        try:
            process.join()  # as long as the test may take
        finally:
            process.kill()
        stdout, stderr = (path.read_text("utf-8", errors="replace") for path in outputs)
    return subprocess.CompletedProcess(command, process.exitcode, stdout, stderr)


def started(work: Callable[..., object], *arguments: object) -> Any:
    """A `multiprocessing.Process` that calls a function of a module in `tests/support`."""
    process = _context.Process(target=work, args=arguments)
    process.start()
    return process


def kill_when(begins: str, *words: str | Path) -> None:
    """Start a command, and kill it as soon as a line begins so."""
    process = JobProcess(*words)
    deadline = time.monotonic() + WITHIN_S
    for line in process.lines():
        if line.startswith(begins):
            break
        assert time.monotonic() < deadline
    else:
        raise AssertionError(f"no line began with {begins!r}")
    process.kill()


def _run(words: list[str], writer: Connection, largest_file: int | None) -> None:
    os.dup2(writer.fileno(), 1)
    os.dup2(writer.fileno(), 2)
    if largest_file is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    _command(words)


def _run_apart(words: list[str], outputs: list[Path], environment: dict[str, str]) -> None:
    for number, path in enumerate(outputs, start=1):
        with path.open("wb") as file:
            os.dup2(file.fileno(), number)
    os.environ.clear()
    os.environ.update(environment)
    _command(words)


def _command(words: list[str]) -> None:
    sys.argv = ["aisle-offline", *words]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # as a process of a shell has it
    from offline.cli import cli

    cli()
