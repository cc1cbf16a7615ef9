"""Put a bundle into a store: files that another bundle holds too are linked, so that the disk keeps them once."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from app.artifact.manifest import read_manifest
from app.artifact.names import MANIFEST
from offline.workspace.atomic import atomic_folder


@dataclass(frozen=True)
class Disk:
    """Bytes of a bundle: of its own, and shared with another."""

    own: int
    linked: int


def place_bundle(bundle: Path, store: Path, shared: Path) -> Disk:
    """Put `bundle` into `store`, whole or not at all, with files linked to those of equal checksum in `shared`.

    A file of a bundle is never written again, only replaced, so that linked ones stay equal; the manifest, which an
    evaluation replaces, is a copy. On another file system all files are copies.

    Args:
        bundle: folder of a verified bundle.
        store: a folder of versions.
        shared: folder of another verified bundle, or the same.
    """
    manifest, other = read_manifest(bundle), read_manifest(shared)
    own = linked = 0
    with atomic_folder(store / manifest.version, MANIFEST) as folder:
        for name, entry in manifest.files.items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            known = other.files.get(name)
            if known is not None and known.sha256 == entry.sha256 and _link(shared / name, target):
                linked += entry.bytes
                continue
            own += entry.bytes
            if not _link(bundle / name, target):
                shutil.copyfile(bundle / name, target)
        shutil.copyfile(bundle / MANIFEST, folder / MANIFEST)
    return Disk(own + (bundle / MANIFEST).stat().st_size, linked)


def _link(source: Path, target: Path) -> bool:
    """Whether `target` became another name of the file `source`."""
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        return False
    return True
