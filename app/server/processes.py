"""Several processes of one service behind one port: each listens there itself, and the kernel deals connections out.

Whoever is started as `aisle-serve --processes N` answers nothing itself: it starts N of the same command, each of which
finds its place in a variable, hands signals on to them, and starts another one where one is lost. Each listens at a
port of its own, too, where its metrics are.
"""

import ctypes
import logging
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, MutableMapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import FrameType
from typing import Final

from app.errors import SettingsError

VARIABLE: Final = "_AISLE_PLACE"
"""Tells a process its place; whoever starts one by hand has no use for it."""
LAST_PORT: Final = 65_535
_PAUSE_S: Final = (1.0, 30.0)
"""Before a lost process is replaced: at first, and at most where its successors are lost, too."""
_SETTLED_S: Final = 60.0
"""After which a process is no successor of a lost one any more."""
_LOOK_S: Final = 0.2
_IN_ORDER: Final = (0, -signal.SIGTERM, -signal.SIGINT)  # those that had not begun to listen to signals
_PR_SET_PDEATHSIG: Final = 1  # Linux; Python has no name for it

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """One of the processes."""

    port: int  # of all
    own_port: int

    def text(self) -> str:
        """As `take_place` reads it."""
        return f"{self.port}:{self.own_port}"


def take_place(environment: MutableMapping[str, str]) -> Place | None:
    """The place of this process, which is taken out of its variables; None for one that was started by somebody.

    One that has a place ends when the process that gave it does, however that ends.
    """
    text = environment.pop(VARIABLE, None)
    if text is None:
        return None
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    return Place(*(int(part) for part in text.split(":")))


def places(host: str, port: int, count: int) -> list[Place]:
    """The places of so many processes: the port of all, and those behind it; free ones where it is 0.

    Raises:
        SettingsError: one of them is taken.
    """
    if port and port + count > LAST_PORT:
        raise SettingsError(
            f"{count} processes at port {port} have ports of their own up to {port + count}, and {LAST_PORT} is the "
            "last one: choose another with --port"
        )
    with ExitStack() as taken:
        listeners = [taken.enter_context(bind(host, port + number if port else 0)) for number in range(count + 1)]
        first, *others = (listener.getsockname()[1] for listener in listeners)
    return [Place(first, own) for own in others]


def bind(host: str, port: int, *, is_shared: bool = False) -> socket.socket:
    """A socket at an address, which does not listen yet; `is_shared` by others of this user.

    Raises:
        SettingsError: it is taken, or not of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if is_shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise SettingsError(
            f"cannot listen on {host} port {port} ({error.strerror}): choose others with --host and --port"
        ) from error
    return listener


class _Worker:
    """One process, and those that come after it in its place."""

    def __init__(self, command: Sequence[str], place: Place) -> None:
        self._command = command
        self.place = place
        self.pause_s = _PAUSE_S[0]
        self.due = 0.0  # when the next one is to be started, on the clock of `monotonic`
        self.process: subprocess.Popen[str] | None = None
        self.began = 0.0
        self.is_told = False  # to end

    def start(self, stdout: int) -> None:
        """Start it."""
        self.is_told = False
        self.process = subprocess.Popen(  # noqa: S603 - the command of this very process
            self._command,
            env=os.environ | {VARIABLE: self.place.text()},
            stdout=stdout,
            text=True,
            process_group=0,  # a Ctrl-C in a terminal is handed on, once
        )
        self.began = time.monotonic()

    def answers(self) -> bool:
        """Wait until it answers; False where it ends instead."""
        return bool(self.process and self.process.stdout and self.process.stdout.readline())

    def tell(self, number: int) -> None:
        """Hand a signal on."""
        if self.process is not None:
            self.process.send_signal(number)
            self.is_told = True

    def ends_in_order(self) -> bool:
        """Wait for its end; whether that was one that was asked for."""
        return self.process is None or self.process.wait() in _IN_ORDER


class Processes:
    """The processes of one service.

    Args:
        command: starts one.
        places: of each.
    """

    def __init__(self, command: Sequence[str], places: Sequence[Place]) -> None:
        self._workers = [_Worker(command, place) for place in places]
        self._is_ending = False

    def run(self, announce: Callable[[], None]) -> bool:
        """Run them until SIGTERM or SIGINT; whether each of them ended in order.

        Args:
            announce: called once all of them answer.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._hand_on)
        first, *others = self._workers
        # What is wrong with settings or bundle is wrong for all of them: one says it.
        if self._answers([first]) and self._answers(others):
            announce()
            self._watch()
        return self._end()

    def _answers(self, workers: Sequence[_Worker]) -> bool:
        """Start some and wait until they answer; False where one ends instead, or this process is to."""
        for worker in workers:
            if self._is_ending:
                return False
            worker.start(subprocess.PIPE)
        return all(worker.answers() for worker in workers)

    def _watch(self) -> None:
        while not self._is_ending:
            for worker in self._workers:
                self._replace_if_lost(worker, time.monotonic())
            time.sleep(_LOOK_S)

    def _replace_if_lost(self, worker: _Worker, now: float) -> None:
        if worker.process is None or worker.process.poll() is None:
            if now - worker.began > _SETTLED_S:
                worker.pause_s = _PAUSE_S[0]
        elif not worker.due:
            worker.due = now + worker.pause_s
            log.error(
                "a process is lost; another one takes its place",
                extra={
                    "pid": worker.process.pid,
                    "port": worker.place.own_port,
                    "status": worker.process.returncode,
                    "in_s": worker.pause_s,
                },
            )
        elif now >= worker.due:
            worker.due, worker.pause_s = 0.0, min(2 * worker.pause_s, _PAUSE_S[1])
            worker.start(subprocess.DEVNULL)

    def _hand_on(self, number: int, _: FrameType | None) -> None:
        self._is_ending = True
        for worker in self._workers:
            worker.tell(number)

    def _end(self) -> bool:
        """End those that run, and wait for them."""
        for worker in self._workers:
            if not worker.is_told:  # a signal that came while it was started went past it
                worker.tell(signal.SIGTERM)
        ends = [worker.ends_in_order() for worker in self._workers]
        return all(ends)
