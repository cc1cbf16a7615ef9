"""A stop by SIGINT or SIGTERM: the work unwinds, and where that takes too long the process ends all the same."""

import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final, NoReturn

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
GRACE_S: Final = 5.0
"""How long the work has to unwind; a library that computes without Python is not waited for any longer."""

_clean_ups: list[Callable[[], object]] = []


class Stopped(BaseException):
    """The process was told to stop. No `Exception`, so that nothing takes it for a failure of the work.

    Args:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def stops(line: str) -> Iterator[None]:
    """While the body runs, raise `Stopped` in the main thread on SIGINT and SIGTERM.

    After `GRACE_S`, or on a second signal, the process ends at once: it runs what `at_hard_stop` names, writes `line`
    to standard error, and exits.
    """
    received: list[int] = []

    def handle(number: int, _frame: FrameType | None) -> None:
        if received:
            _end_hard(number, line)
        received.append(number)
        sys.unraisablehook = lambda _: None  # a callback that it is raised in would write a traceback
        raise Stopped(number)

    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = {number: signal.signal(number, handle) for number in SIGNALS}
    wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(reader, handle, line), daemon=True, name="stop").start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if received else handler)
        if not received:
            os.close(writer)


@contextmanager
def at_hard_stop(clean_up: Callable[[], object]) -> Iterator[None]:
    """While the body runs, `clean_up` is called before the process ends without unwinding."""
    _clean_ups.append(clean_up)
    try:
        yield
    finally:
        _clean_ups.remove(clean_up)


@contextmanager
def interrupts() -> Iterator[None]:
    """Raise the `KeyboardInterrupt` of a library with a handler of its own as `Stopped`."""
    try:
        yield
    except KeyboardInterrupt:
        raise Stopped(signal.SIGINT) from None


def how_to_go_on(words: Sequence[str]) -> str:
    """Return the line that a stopped command ends with.

    Args:
        words: of the command line after the program's name. With a password among them they are not repeated.
    """
    return f"aisle-offline: stopped, nothing is lost but the step at hand; to go on: {same_command(words)}\n"


def same_command(words: Sequence[str]) -> str:
    """Return the command line to give again, for the end of a sentence; without a password that is in `words`."""
    secret = any("password" in word or ("://" in word and "@" in word) for word in words)
    return "run the same command again" if secret else f"aisle-offline {shlex.join(words)}"


def _watch(reader: int, handler: object, line: str) -> None:
    """See signals as they come, even while the main thread is in a library that Python cannot interrupt."""
    while data := os.read(reader, 1):
        number = data[0]
        if number in SIGNALS and signal.getsignal(number) is handler:
            time.sleep(GRACE_S)
            _end_hard(number, line)
    os.close(reader)


def end(number: int, line: str) -> NoReturn:
    """Write `line` to standard error and exit with 128 and the number, whatever threads are still at work."""
    sys.stdout.flush()
    sys.stderr.write(line)
    sys.stderr.flush()
    os._exit(128 + number)


def _end_hard(number: int, line: str) -> NoReturn:
    for clean_up in _clean_ups:
        with suppress(Exception):
            clean_up()
    end(number, line)
