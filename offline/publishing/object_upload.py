"""Upload: bring a version into a store of objects, read it back, point to it, and keep the newest there.

Files come first, the manifest after them and the pointer last: without a manifest there is no version for anybody, and
without the pointer nobody takes it. An upload that was stopped goes on when it is repeated.
"""

import hashlib
import math
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from app.artifact.bundle_store import POINTER, name_refusal, resolve, version_in
from app.artifact.erasures import ERASURES, note_erasures, read_erasures
from app.artifact.manifest import LARGEST_MANIFEST, FileEntry, Manifest, read_manifest, verify_files
from app.artifact.names import MANIFEST
from app.artifact.object_store import ObjectStore
from app.errors import BundleError, ObjectStoreError
from offline.errors import PublishRefused
from offline.workspace.progress import Progress, silent

AT_ONCE: Final = 8  # objects
_LARGEST: Final = 256 * 2**20


@dataclass(frozen=True)
class Uploaded:
    """A version that is whole in a store of objects."""

    address: str
    version: str
    files: int
    sent: int  # files that were sent
    sent_bytes: int
    copied: int  # files that the store itself copied from another version
    kept: int  # files that were there


def upload(bundle: Path, objects: ObjectStore, progress: Progress = silent) -> Uploaded:
    """Bring a version into the store and compare all of it, without pointing to it.

    Args:
        bundle: a bundle, or a store of bundles.
        objects: the store.
        progress: called with the number of files that are there and compared.

    Raises:
        BundleError: the bundle is not whole.
        PublishRefused: the store has another version of that name, or not what it was given.
        ObjectStoreError: the store does not answer, or refuses.
    """
    folder = resolve(bundle)
    manifest = read_manifest(folder)
    verify_files(folder, manifest)
    version = manifest.version
    content = (folder / MANIFEST).read_bytes()
    present = objects.sizes_below(version)
    if MANIFEST in present and objects.read(f"{version}/{MANIFEST}", LARGEST_MANIFEST) != content:
        raise PublishRefused(
            f"{objects.shown(version)}: there is another bundle of that name already: remove it, or export anew"
        )
    transfer = _Transfer(folder, version, objects, present, _elsewhere(objects, version))
    done = 0
    with ThreadPoolExecutor(AT_ONCE, "upload") as pool:
        parts = [pool.submit(transfer.bring, name, entry) for name, entry in manifest.files.items()]
        try:
            ways = []
            for part in parts:
                ways.append(part.result())
                done += 1
                progress(done, len(parts), "files")
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    if MANIFEST not in present:
        objects.put(f"{version}/{MANIFEST}", content)
        if objects.read(f"{version}/{MANIFEST}", LARGEST_MANIFEST) != content:
            raise _is_other(objects.shown(f"{version}/{MANIFEST}"))
    sent = [entry.bytes for way, entry in zip(ways, manifest.files.values(), strict=True) if way == _SENT]
    return Uploaded(
        address=str(objects.address),
        version=version,
        files=len(ways),
        sent=len(sent),
        sent_bytes=sum(sent),
        copied=ways.count(_COPIED),
        kept=ways.count(_KEPT),
    )


def point_objects(bundle: Path, objects: ObjectStore) -> str | None:
    """Make a version that is in the store the current one, and return the version that was.

    The list of erasures beside the bundle is joined with the one in the store first.

    Raises:
        PublishRefused: the store does not keep the pointer.
        ObjectStoreError: the store does not answer, or refuses.
    """
    folder = resolve(bundle)
    version = read_manifest(folder).version
    _carry_erasures(folder.parent, objects)
    previous = object_pointer(objects)
    if previous != version:
        objects.put(POINTER, f"{version}\n".encode())
    if object_pointer(objects) != version:
        raise _is_other(objects.shown(POINTER))
    return previous if previous != version else None


def object_pointer(objects: ObjectStore) -> str | None:
    """The version that the pointer in the store names; `None` where there is none that can be.

    Raises:
        ObjectStoreError: the store does not answer, or refuses.
    """
    try:
        return version_in(objects.read(POINTER, _LARGEST_POINTER), POINTER)
    except ObjectStoreError as error:
        if error.kind != "missing":
            raise
    except BundleError:
        pass
    return None


def object_manifest(objects: ObjectStore, version: str) -> Manifest | None:
    """The manifest of a version in the store; `None` where there is none that can be read.

    Raises:
        ObjectStoreError: the store does not answer, or refuses.
    """
    try:
        content = objects.read(f"{version}/{MANIFEST}", LARGEST_MANIFEST)
    except ObjectStoreError as error:
        if error.kind != "missing":
            raise
        return None
    with TemporaryDirectory(prefix="aisle-objects-") as folder, suppress(BundleError):
        (Path(folder) / MANIFEST).write_bytes(content)
        return read_manifest(Path(folder))
    return None


def object_versions(objects: ObjectStore) -> list[str]:
    """The folders in the store that may be versions, whole or not, oldest first.

    Raises:
        ObjectStoreError: the store does not answer, or refuses.
    """
    return [name for name in objects.folders() if name_refusal(name) is None]


def keep_newest(objects: ObjectStore, keep: int, in_use: set[str | None]) -> list[str]:
    """Remove all but the newest versions and those in use from the store, and return what was removed.

    Uploads that were stopped count as versions, and go as they do.

    Raises:
        ObjectStoreError: the store does not answer, or refuses.
    """
    stay = in_use | {object_pointer(objects)}
    removed = [name for name in object_versions(objects)[: -max(keep, 2)] if name not in stay]
    for version in removed:
        remove_objects(objects, version)
    return removed


def remove_objects(objects: ObjectStore, version: str) -> None:
    """Remove a version from the store: its manifest first, so that half of it is none.

    Raises:
        ObjectStoreError: the store does not answer, or refuses.
    """
    objects.remove([f"{version}/{MANIFEST}"])
    objects.remove([f"{version}/{name}" for name in objects.sizes_below(version)])


_LARGEST_POINTER: Final = 512
_SENT, _COPIED, _KEPT = "sent", "copied", "kept"


@dataclass(frozen=True)
class _Transfer:
    """Brings the files of one version."""

    folder: Path
    version: str
    objects: ObjectStore
    present: dict[str, int]  # bytes of the objects that the version has already
    elsewhere: dict[str, str]  # the name of an object of another version, by its checksum

    def bring(self, name: str, entry: FileEntry) -> str:
        """Have one file in the store as the manifest says, and return how it came there."""
        target = f"{self.version}/{name}"
        if self.present.get(name) == entry.bytes and self.objects.sha256_of(target) == entry.sha256:
            return _KEPT
        source = self.elsewhere.get(entry.sha256)
        if source is not None and self._copies(source, target, entry):
            return _COPIED
        content = self.folder / name
        # A small file in one request; `obstore` sends a large one in parts.
        self.objects.put(target, content.read_bytes() if entry.bytes < _ONE_REQUEST else content)
        if self.objects.sha256_of(target) != entry.sha256:
            raise _is_other(self.objects.shown(target))
        return _SENT

    def _copies(self, source: str, target: str, entry: FileEntry) -> bool:
        """Whether the store could copy the file, and has it now; some cannot, or not one so large."""
        try:
            self.objects.copy(source, target)
            return self.objects.sha256_of(target) == entry.sha256
        except ObjectStoreError as error:
            if error.kind in {"denied", "timeout"}:
                raise
            return False


_ONE_REQUEST: Final = 2**20


def _elsewhere(objects: ObjectStore, version: str) -> dict[str, str]:
    """The objects of other versions by checksum, the newest version's first."""
    names: dict[str, str] = {}
    for other in object_versions(objects):
        manifest = object_manifest(objects, other) if other != version else None
        if manifest is not None:
            names |= {entry.sha256: f"{other}/{name}" for name, entry in manifest.files.items()}
    return names


def _carry_erasures(store: Path, objects: ObjectStore) -> None:
    """Let the list of erasures in the store have all of the one beside the bundle; it loses none of its own."""
    own = read_erasures(store)
    if not own:
        return
    with TemporaryDirectory(prefix="aisle-objects-") as name:
        folder = Path(name)
        try:
            (folder / ERASURES).write_bytes(objects.read(ERASURES, _LARGEST))
        except ObjectStoreError as error:
            if error.kind != "missing":
                raise
        known = read_erasures(folder)
        if all(known.get(person, -math.inf) >= time for person, time in own.items()):
            return
        note_erasures(folder, own)
        content = (folder / ERASURES).read_bytes()
    objects.put(ERASURES, content)
    if objects.sha256_of(ERASURES) != hashlib.sha256(content).hexdigest():
        raise _is_other(objects.shown(ERASURES))


def _is_other(shown: str) -> PublishRefused:
    return PublishRefused(
        f"{shown}: what is read back is not what was sent: see that the store of objects is well, and publish again"
    )
