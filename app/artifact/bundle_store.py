"""A folder of published bundles: one folder a version, and a pointer file that names the current one.

Whatever names a version (the pointer file, the pointer in Redis, a call) names a folder of the store itself: no path,
no link, nothing outside.
"""

import os
import stat
from pathlib import Path
from typing import Final

from app.artifact.names import MANIFEST
from app.errors import BundleCorrupt, BundleMissing, BundleUnreadable

POINTER = "CURRENT"
STORE = "bundle"  # in the folder of a run
LONGEST_NAME: Final = 128
"""Bytes of the name of a version."""
_LONGEST_SHOWN: Final = 60


def resolve(path: Path) -> Path:
    """The bundle folder meant by `path`: a bundle itself, or a store whose pointer names one.

    Raises:
        BundleMissing: there is neither, or not yet.
        BundleCorrupt: the pointer names no folder of the store.
        BundleUnreadable: this machine cannot look there.
    """
    if is_bundle(path):
        return path
    version = pointer(path)
    if version is not None:
        return folder_of(path, version)
    expected = f"no bundle at {path}: expected a {MANIFEST}, or a {POINTER} file naming a version"
    if _kind_of(path / STORE / POINTER) == stat.S_IFREG:
        raise BundleMissing(f"{expected}; this is the folder of a run: name {path / STORE}")
    raise BundleMissing(f"{expected}; make one with `aisle-offline run`")


def is_bundle(path: Path) -> bool:
    """Whether `path` is the folder of a bundle itself, rather than a store of them.

    Raises:
        BundleUnreadable: this machine cannot look there.
    """
    return _kind_of(path / MANIFEST) is not None


def folder_of(store: Path, version: str) -> Path:
    """The folder of a version in a store.

    Raises:
        BundleMissing: the store does not have it, or not yet.
        BundleCorrupt: that is no name of a version, or it names a link or a file.
        BundleUnreadable: this machine cannot look there.
    """
    refusal = name_refusal(version)
    if refusal is not None:
        raise BundleCorrupt(f"{store}: {refusal}")
    folder = store / version
    kind = _kind_of(folder)
    if kind not in {None, stat.S_IFDIR}:
        what = "a link" if kind == stat.S_IFLNK else "a file"
        raise BundleCorrupt(f"{folder}: expected a folder in the store, got {what}: copy the bundle itself there")
    if kind is None or not is_bundle(folder):
        raise BundleMissing(f"no bundle {version!r} in {store}, or not yet: copy it there")
    return folder


def name_refusal(version: str) -> str | None:
    """Why a text cannot name a version; `None` where it can."""
    if (
        version.isprintable()
        and 0 < len(version.encode()) <= LONGEST_NAME
        and not version.startswith(".")
        and not set(version) & set("/\\ ")
    ):
        return None
    shown = version if len(version) <= _LONGEST_SHOWN else f"{version[:_LONGEST_SHOWN]}.. ({len(version)} characters)"
    return (
        f"expected the name of a version (a folder of the store, at most {LONGEST_NAME} bytes), got {shown!r}: "
        "name one that the store has"
    )


def version_in(content: bytes, where: str) -> str | None:
    """The version that the content of a pointer names; `None` where that is empty, as while somebody writes it.

    Args:
        where: the pointer, for the message.

    Raises:
        BundleCorrupt: it names none.
    """
    version = content[: 4 * LONGEST_NAME].decode("utf-8", "backslashreplace").strip()
    if not version:
        return None
    refusal = name_refusal(version)
    if refusal is not None:
        raise BundleCorrupt(f"{where}: {refusal}")
    return version


def pointer(store: Path) -> str | None:
    """The version that the pointer names, even if its folder is missing; `None` without a pointer.

    Raises:
        BundleCorrupt: it names no version.
        BundleUnreadable: this machine cannot read it.
    """
    path = store / POINTER
    try:
        return version_in(read_regular(path, most=4 * LONGEST_NAME), str(path))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _unreadable(path, error) from error


def current(store: Path) -> str | None:
    """As `pointer`, and `None` where it cannot be read, too."""
    try:
        return pointer(store)
    except (BundleCorrupt, BundleUnreadable):
        return None


def versions(store: Path) -> list[str]:
    """Versions in the store, oldest first (version names sort by time)."""
    names = sorted(entry.parent.name for entry in store.glob(f"*/{MANIFEST}"))
    return [name for name in names if name_refusal(name) is None and not (store / name).is_symlink()]


def point_to(store: Path, version: str) -> None:
    """Make `version` the current one, atomically: a reader sees the old pointer or the new one."""
    temporary = store / f".{POINTER}.{os.getpid()}"
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(version + "\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(store / POINTER)
    finally:
        temporary.unlink(missing_ok=True)


def read_regular(path: Path, most: int = -1) -> bytes:
    """The content of a file; a pipe or a device is none, and is not waited for.

    Args:
        path: of the file.
        most: bytes that are read; all of them by default.

    Raises:
        OSError: it is missing, no regular file, or cannot be read.
    """
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:  # noqa: PTH123 - a descriptor
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(None, "it is no regular file", str(path))
        return file.read(most)


def _kind_of(path: Path) -> int | None:
    """The kind of what is at `path` itself (`stat.S_IFDIR`, ..), links not followed; `None` where nothing is.

    Raises:
        BundleUnreadable: this machine cannot look there.
    """
    try:
        return stat.S_IFMT(path.lstat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError | ValueError) -> BundleUnreadable:
    reason = getattr(error, "strerror", None) or error
    return BundleUnreadable(f"{path}: cannot be read ({reason}): let the user that this runs as read it")
