"""The folder of what is collected: one collector at a time."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.errors import RunFolderError
from offline.collecting.durable import make_folder

LOCK_FILE = ".collecting"


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Keep other collectors out; the lock goes with the process, so that a killed one leaves none behind.

    Raises:
        RunFolderError: another one is at work here, or the folder is a file.
    """
    if out.is_file():
        raise RunFolderError(f"{out}: expected a folder to collect into, found a file: name another folder")
    make_folder(out)
    with (out / LOCK_FILE).open("a", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunFolderError(
                f"{out}: another collector is at work here; wait for it, or name another folder"
            ) from None
        yield
