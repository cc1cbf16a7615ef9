"""The lock of a collected data set: one collector at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from offline.collecting.durable import make_folder
from offline.errors import RunFolderError
from offline.workspace.lock import exclusive_lock

LOCK_FILE = ".collecting"


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Keep other collectors out of the folder `out`, which is made where it is missing.

    The lock ends with the process, so that a killed collector leaves none behind.

    Raises:
        RunFolderError: another collector is at work here, or the folder is a file.
    """
    if out.is_file():
        raise RunFolderError(f"{out}: expected a folder to collect into, got a file: name another folder")
    make_folder(out)
    refusal = f"{out}: another collector is at work here; wait for it, or name another folder"
    with exclusive_lock(out / LOCK_FILE, refusal):
        yield
