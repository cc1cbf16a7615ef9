"""Files and folders that are complete or not there at all, and stay when the machine loses power."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from offline.errors import RunFolderError

_PARTIAL = ".partial"
"""Ends the name of a file that is not finished; a dot begins it."""


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; on a clean exit that file is on the disk and replaces `path`.

    When the body raises, or the disk does not take the file, `path` stays as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}{_PARTIAL}")
    try:
        yield temporary
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, document: Any) -> None:
    """Write a document as indented JSON, complete or not at all."""
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


@contextmanager
def atomic_folder(out: Path, marker: str, *, force: bool = False) -> Iterator[Path]:
    """Yield an empty folder to write into; on a clean exit it is on the disk and takes the place of `out`.

    When the body raises, the new folder is removed and `out` stays as it was. An `out` that exists is replaced only
    when it is empty, holds a file named `marker` (this job wrote it), or `force` is set.

    Raises:
        RunFolderError: `out` is a file, or a folder with other contents.
    """
    check_output_folder(out, marker, force=force)
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        fresh = temporary / "new"
        fresh.mkdir()
        yield fresh
        for folder, _, names in os.walk(fresh):
            for name in names:
                sync(Path(folder, name))
            sync(Path(folder))
        if out.exists():
            out.rename(temporary / "old")
        fresh.rename(out)
        sync(out.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def check_output_folder(out: Path, marker: str, *, force: bool = False) -> None:
    """Return when `atomic_folder` may write `out`.

    Raises:
        RunFolderError: `out` is a file, or a folder with other contents.
    """
    if not out.exists() or (force and out.is_dir()):
        return
    if not out.is_dir():
        raise RunFolderError(f"{out}: expected a folder to write, got a file: name another folder")
    if not (out / marker).is_file() and next(out.iterdir(), None) is not None:
        raise RunFolderError(
            f"{out}: expected an empty folder or one with {marker}, got other files: name another folder, "
            "or empty this one"
        )


def clear_partial(folder: Path) -> None:
    """Remove the files that a killed process did not finish; only for the one process that writes to the folder."""
    for path in folder.glob(f".*{_PARTIAL}"):
        path.unlink()


def sync(path: Path) -> None:
    """Bring a file's contents, or the names in a folder, to the disk."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
