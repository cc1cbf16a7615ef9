"""A folder of published bundles: one folder a version, and a pointer file that names the current one."""

import os
from pathlib import Path

from app.artifact.names import MANIFEST
from app.errors import BundleCorrupt, BundleMissing

POINTER = "CURRENT"
STORE = "bundle"  # in the folder of a run


def resolve(path: Path) -> Path:
    """The bundle folder meant by `path`: a bundle itself, or a store whose pointer names one.

    Raises:
        BundleMissing: there is neither.
        BundleCorrupt: the pointer names no bundle.
    """
    if (path / MANIFEST).is_file():
        return path
    try:
        version = (path / POINTER).read_text("utf-8").strip()
    except OSError as error:
        expected = f"no bundle at {path}: expected a {MANIFEST}, or a {POINTER} file naming a version"
        if (path / STORE / POINTER).is_file():
            raise BundleMissing(f"{expected}; this is the folder of a run: name {path / STORE}") from error
        raise BundleMissing(f"{expected}; make one with `aisle-offline run`") from error
    except UnicodeDecodeError as error:
        raise BundleCorrupt(
            f"{path / POINTER}: expected the name of a version, got other bytes: export it again"
        ) from error
    if not version or Path(version).name != version or not (path / version / MANIFEST).is_file():
        raise BundleCorrupt(f"{path / POINTER} names {version!r}, which is no bundle there: export it again")
    return path / version


def current(store: Path) -> str | None:
    """The version that the pointer names, even if its folder is missing; `None` without a pointer that can be read."""
    try:
        return (store / POINTER).read_text("utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def versions(store: Path) -> list[str]:
    """Versions in the store, oldest first (version names sort by time)."""
    return sorted(entry.parent.name for entry in store.glob(f"*/{MANIFEST}") if not entry.parent.name.startswith("."))


def point_to(store: Path, version: str) -> None:
    """Make `version` the current one, atomically: a reader sees the old pointer or the new one."""
    temporary = store / f".{POINTER}.{os.getpid()}"
    with temporary.open("w", encoding="utf-8") as file:
        file.write(version + "\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(store / POINTER)
