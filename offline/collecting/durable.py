"""Files that are there whole or not at all, and stay when the machine loses power."""

import os
from collections.abc import Callable
from pathlib import Path

import polars as pl

from offline.errors import RunFolderError

PARTIAL = ".partial"


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` write a file beside `path`, bring it to the disk, and put it in its place.

    Raises:
        RunFolderError: it cannot be written; what stood at `path` before stands there still.
    """
    beside = path.with_name(f".{path.name}{PARTIAL}")
    try:
        write(beside)
        _sync(beside)
        beside.replace(path)
        _sync(path.parent)
    except (OSError, pl.exceptions.PolarsError) as error:
        beside.unlink(missing_ok=True)
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise RunFolderError(
            f"{path}: cannot be written ({reason}): make room or correct its permissions, and collect again; "
            "nothing is lost, what is not on disk stays in Redis"
        ) from error


def make_folder(folder: Path) -> None:
    """Make `folder` and bring its name to the disk.

    Raises:
        RunFolderError: it cannot be made.
    """
    if folder.is_dir():
        return
    try:
        folder.mkdir(parents=True)
        _sync(folder.parent)
    except OSError as error:
        raise RunFolderError(f"{folder}: cannot be made ({error.strerror}): name another folder") from error


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
