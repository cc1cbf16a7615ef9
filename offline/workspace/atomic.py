"""Folders and files that appear whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from offline.errors import RunFolderError


@contextmanager
def whole_folder(out: Path, marker: str, *, force: bool = False) -> Iterator[Path]:
    """Yield an empty sibling of `out` to write into; on a clean exit it takes the place of `out`.

    When the body raises, the sibling is removed and `out` is as it was. An `out` that exists is replaced only
    when it is empty, holds a file named `marker` (it is one of ours), or `force` is set.

    Raises:
        RunFolderError: `out` is a file, or a folder with something else in it.
    """
    refuse_foreign(out, marker, force=force)
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        fresh = beside / "new"
        fresh.mkdir()
        yield fresh
        if out.exists():
            out.rename(beside / "old")
        fresh.rename(out)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; on a clean exit that file takes its place, else it is removed."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield beside
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def refuse_foreign(out: Path, marker: str, *, force: bool = False) -> None:
    """Return when `out` may be written (see `whole_folder`).

    Raises:
        RunFolderError: `out` is a file, or a folder with something else in it.
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
