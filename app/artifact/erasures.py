"""The list of erasures beside the bundles of a store: hashes of people whose past no bundle there may bring back.

One line an erasure: 16 hexadecimal digits and unix seconds. `publish` begins the list; the job and every service that
may write there add what they learn, and every service and every export reads it. A line is there whole or not at all.
"""

import fcntl
import logging
import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from app.artifact.bundle_store import read_regular

ERASURES: Final = "ERASURES"
_LINE: Final = re.compile(rb"([0-9a-fA-F]{16})[ \t]+([0-9.e+]{1,32})")
_LATEST: Final = 1e300  # what stands for a time that could not be read
_SPARE: Final = 1_000  # lines that say nothing new, before the file is written anew

log = logging.getLogger(__name__)


def read_erasures(store: Path) -> dict[int, float]:
    """The unix seconds of the newest erasure of each person, by hash.

    Lines that cannot be read are passed over with a warning: nobody can tell any more whom they were about.

    Raises:
        OSError: there is a list that cannot be read.
    """
    text = _read(store / ERASURES)
    damaged = sum(1 for line in text.split(b"\n") if line.strip() and _erasure_of(line) is None)
    if damaged:
        log.warning(
            "the list of erasures has lines that cannot be read: the past of those people may come back with a bundle",
            extra={"path": str(store / ERASURES), "lines": damaged},
        )
    return _parse(text)


def begin_erasures(store: Path) -> None:
    """Make an empty list where there is none: from then on it is kept by all that may write there.

    Raises:
        OSError: it cannot be made.
    """
    if not (store / ERASURES).exists():
        with _locked(store):
            _append(store / ERASURES, b"")


def keeps_erasures(store: Path) -> bool:
    """Whether the list is there and this process adds to it, so that it knew all erasures when it last ran."""
    return (store / ERASURES).is_file() and os.access(store / ERASURES, os.W_OK) and os.access(store, os.W_OK)


def note_erasures(store: Path, erasures: Mapping[int, float]) -> int:
    """Write down the erasures that the list lacks, on the disk when this returns, and return how many they are.

    Raises:
        OSError: the list cannot be written; what it held before, it holds still.
    """
    if not erasures:
        return 0
    with _locked(store):
        text = _read(store / ERASURES)
        known = _parse(text)
        bounded = {person: min(max(0.0, time), _LATEST) for person, time in erasures.items()}
        fresh = {person: time for person, time in bounded.items() if known.get(person, -math.inf) < time}
        if not fresh:
            return 0
        if text.count(b"\n") + len(fresh) > 2 * len(known | fresh) + _SPARE:
            _replace(store / ERASURES, _lines(known | fresh))
        else:
            # What a power cut left of a line is ended first: it is passed over, and the next one begins afresh.
            start = b"" if text.endswith(b"\n") or not text else b"\n"
            _append(store / ERASURES, start + _lines(fresh))
        return len(fresh)


def _parse(text: bytes) -> dict[int, float]:
    erasures: dict[int, float] = {}
    for line in text.split(b"\n"):
        erasure = _erasure_of(line)
        if erasure is not None:
            person, time = erasure
            erasures[person] = max(time, erasures.get(person, -math.inf))
    return erasures


def _erasure_of(line: bytes) -> tuple[int, float] | None:
    """Person and time of a line, with whatever line end an editor gave it; of half a line no time is too late."""
    match = _LINE.fullmatch(line.strip())
    if match is None:
        return None
    try:
        return int(match[1], 16), float(match[2])
    except ValueError:
        return None


def _lines(erasures: Mapping[int, float]) -> bytes:
    return b"".join(b"%016x %s\n" % (person, repr(time).encode()) for person, time in erasures.items())


def _read(path: Path) -> bytes:
    try:
        return read_regular(path)
    except FileNotFoundError:
        return b""


@contextmanager
def _locked(store: Path) -> Iterator[None]:
    """One writer at a time, in whichever process."""
    with (store / f".{ERASURES}.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _append(path: Path, lines: bytes) -> None:
    is_new = not path.exists()
    with path.open("ab") as file:
        file.write(lines)
        file.flush()
        os.fsync(file.fileno())
    if is_new:
        _sync_folder(path.parent)


def _replace(path: Path, lines: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("wb") as file:
        file.write(lines)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
