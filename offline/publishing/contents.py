"""The contents of a bundle that go to the store, checked against its checksums."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.artifact import names
from app.artifact.bundle_store import resolve
from app.artifact.columns import TextColumn
from app.artifact.hashing import stable_hashes
from app.artifact.manifest import Manifest, read_manifest, verify_files
from app.artifact.user_state import UserStates, read_user_states
from app.errors import BundleCorrupt
from offline.dataset.erased import known_erasures


@dataclass(frozen=True)
class Contents:
    """A bundle whose files have the checksums of its manifest; arrays are mapped into memory."""

    manifest: Manifest
    states: UserStates  # without those in the list of erasures beside the bundle
    item_hashes: NDArray[np.uint64]  # [items + 1] by row; row 0 is no item
    item_vectors: NDArray[np.int8]  # [rows, dim]
    item_scales: NDArray[np.float32]  # [rows]

    @property
    def version(self) -> str:
        """The name of the bundle in the store."""
        return self.manifest.version

    def digest(self) -> str:
        """Return a text that identifies the files: 16 hexadecimal digits."""
        files = sorted((name, entry.sha256) for name, entry in self.manifest.files.items())
        return hashlib.sha256(repr(files).encode()).hexdigest()[:16]


def read_contents(bundle: Path) -> Contents:
    """Read a bundle, or the current one of a store of bundles.

    Raises:
        BundleError: a file is missing, differs from its checksum, or is of another schema.
    """
    folder = resolve(bundle)
    manifest = read_manifest(folder)
    verify_files(folder, manifest)
    try:
        ids = TextColumn.read(folder / names.ITEM_IDS)
        contents = Contents(
            manifest=manifest,
            states=read_user_states(folder).without(known_erasures(folder.parent)),
            item_hashes=np.concatenate([np.zeros(1, np.uint64), stable_hashes(ids[row] or "" for row in _rows(ids))]),
            item_vectors=_mapped(folder / names.ITEM_VECTORS),
            item_scales=_mapped(folder / names.ITEM_SCALES),
        )
    except (OSError, ValueError) as error:
        raise BundleCorrupt(f"{folder}: users or items cannot be read ({error}); export the bundle again") from error
    shapes = manifest.shapes
    if (len(contents.states.hashes), len(ids) - 1) != (shapes.users, shapes.items):
        raise BundleCorrupt(
            f"{folder}: expected {shapes.users} users and {shapes.items} items, got {len(contents.states.hashes)} "
            f"and {len(ids) - 1}; export the bundle again"
        )
    return contents


def _rows(ids: TextColumn) -> range:
    return range(1, len(ids))


def _mapped(path: Path) -> NDArray[Any]:
    return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
