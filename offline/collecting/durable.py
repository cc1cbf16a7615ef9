"""Write collected files and folders to the disk; an error says that nothing was lost."""

from collections.abc import Callable
from pathlib import Path

import polars as pl

from offline.errors import RunFolderError
from offline.workspace.atomic import atomic_file, sync


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` write a temporary file that replaces `path` once it is on the disk.

    Raises:
        RunFolderError: the file cannot be written; an earlier file at `path` is unchanged.
    """
    try:
        with atomic_file(path) as temporary:
            write(temporary)
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise RunFolderError(
            f"{path}: cannot be written ({reason}): make room or correct its permissions, and collect again; "
            "nothing is lost, what is not on disk stays in Redis"
        ) from error


def make_folder(folder: Path) -> None:
    """Make `folder` where it is missing, and sync its name to the disk.

    Raises:
        RunFolderError: the folder cannot be made.
    """
    if folder.is_dir():
        return
    try:
        folder.mkdir(parents=True)
        sync(folder.parent)
    except OSError as error:
        raise RunFolderError(f"{folder}: cannot be made ({error.strerror}): name another folder") from error
