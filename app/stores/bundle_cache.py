"""Versions of a store of objects on this machine's disk: fetched beside, compared with their checksums, and renamed.

The folder is itself a store of bundles: its pointer names what was served last, from which a service starts while the
store of objects does not answer.
"""

import contextlib
import fcntl
import hashlib
import logging
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Final

from app.artifact.bundle_store import (
    POINTER,
    current,
    folder_of,
    is_bundle,
    name_refusal,
    point_to,
    version_in,
    versions,
)
from app.artifact.erasures import ERASURES, note_erasures, read_erasures
from app.artifact.manifest import LARGEST_MANIFEST, FileEntry, Manifest, read_manifest, sha256_of
from app.artifact.names import MANIFEST
from app.artifact.object_store import ObjectStore
from app.errors import BundleCorrupt, BundleError, BundleMissing, BundleUnreadable, ObjectStoreError

POINTER_BYTES: Final = 512
"""Bytes of a pointer that are read."""
LARGEST_ERASURES: Final = 256 * 2**20
AT_ONCE: Final = 8  # objects
MB: Final = 1e6
_LOCK: Final = ".lock"
_ERASURES_BESIDE: Final = ".erasures"

log = logging.getLogger(__name__)


class BundleCache:
    """The versions of a store of objects that this machine has.

    Args:
        objects: the store.
        folder: where versions lie; made where it is missing.
        limit_bytes: that they may take. Of those that are not in use, the oldest go first.
        fetch_s: seconds that the fetch of one version may take.
        is_ending: asked at every chunk; ends a fetch that is under way. What arrived is used by the next one.
    """

    def __init__(
        self,
        objects: ObjectStore,
        folder: Path,
        limit_bytes: float,
        fetch_s: float,
        is_ending: Callable[[], bool] = lambda: False,
    ) -> None:
        self.objects = objects
        self.folder = folder
        self._limit_bytes = limit_bytes
        self._fetch_s = fetch_s
        self._is_ending = is_ending

    def pointer(self) -> str | None:
        """The version that the pointer of the store names; `None` without one.

        Raises:
            BundleCorrupt: it names none.
            ObjectStoreError: it cannot be read.
        """
        try:
            content = self.objects.read(POINTER, POINTER_BYTES)
        except ObjectStoreError as error:
            if error.kind == "missing":
                return None
            raise
        return version_in(content, self.objects.shown(POINTER))

    def first_version(self) -> str:
        """The version to begin with: that of the pointer, or what was served last where the store does not answer.

        Raises:
            BundleMissing: there is none, or not yet.
            BundleCorrupt: the pointer names none.
            BundleUnreadable: the store does not answer, and nothing was served before.
        """
        try:
            version = self.pointer()
        except ObjectStoreError as error:
            last = self.served_last()
            if last is None:
                raise BundleUnreadable(error.message) from error
            log.warning("the store of bundles does not answer yet", extra={"reason": error.message, "version": last})
            return last
        if version is None:
            raise BundleMissing(
                f"no bundle at {self.objects.address}: expected an object {POINTER} naming a version; put one there "
                f"with `aisle-offline publish --to {self.objects.address}`"
            )
        return version

    def served_last(self) -> str | None:
        """The version that was served last, where this machine has it."""
        version = current(self.folder)
        try:
            return version if version is not None and folder_of(self.folder, version) else None
        except BundleError:
            return None

    def note_served(self, version: str) -> None:
        """Begin with `version` where the store does not answer at the next start."""
        with contextlib.suppress(OSError):  # only then it is missed
            if current(self.folder) != version:
                point_to(self.folder, version)

    def obtain(self, version: str, in_use: Iterable[str] = (), anew: bool = False) -> bool:
        """Have a version on the disk, and return whether it had to be fetched.

        Args:
            version: of the store.
            in_use: versions that stay, whatever the limit.
            anew: fetches it even if it is here, since what is here is damaged.

        Raises:
            BundleMissing: the store does not have it, or not yet.
            BundleError: an object is missing, half-written or differs from its checksum; or there is no room.
            BundleUnreadable: the store does not answer, or the disk does not take it. What arrived is used next time.
        """
        refusal = name_refusal(version)
        if refusal is not None:
            raise BundleCorrupt(f"{self.objects.address}: {refusal}")
        try:
            if not anew and is_bundle(self.folder / version):
                return False
            self.folder.mkdir(parents=True, exist_ok=True)
            with _locked(self.folder):
                if anew or not is_bundle(self.folder / version):
                    self._fetch(version, {version, *in_use})
        except ObjectStoreError as error:
            raise BundleUnreadable(error.message) from error
        except OSError as error:
            where = self.folder if error.filename is None else error.filename
            raise BundleUnreadable(
                f"{where}: cannot be written ({error.strerror or error}): let the user that this runs as write it, and "
                "see that the disk has room"
            ) from error
        return True

    def _fetch(self, version: str, in_use: set[str]) -> None:
        started = time.monotonic()
        partial = self.folder / f".{version}.partial"
        for leftover in self.folder.glob(".*.partial"):
            if leftover != partial:
                shutil.rmtree(leftover, ignore_errors=True)
        partial.mkdir(exist_ok=True)
        manifest = self._fetch_manifest(version, partial)
        _remove_others(partial, manifest)
        present = {checksum: path for path, checksum in self._entries()}
        missing = {
            name: entry
            for name, entry in manifest.files.items()
            if not _is_had(partial / name, entry, present.get(entry.sha256))
        }
        self._make_room(in_use, partial, sum(entry.bytes for entry in missing.values()), version)
        ends = started + self._fetch_s
        with ThreadPoolExecutor(AT_ONCE, "fetch") as pool:
            parts = [
                pool.submit(self._fetch_file, version, name, entry, partial / name, ends)
                for name, entry in missing.items()
            ]
            try:
                fetched = sum(part.result() for part in parts)
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        self._fetch_erasures()
        if (self.folder / version).exists():
            shutil.rmtree(self.folder / version)
        partial.rename(self.folder / version)
        seconds = round(time.monotonic() - started, 3)
        log.info("bundle fetched", extra={"version": version, "bytes": fetched, "seconds": seconds})

    def _fetch_manifest(self, version: str, partial: Path) -> Manifest:
        name = f"{version}/{MANIFEST}"
        try:
            content = self.objects.read(name, LARGEST_MANIFEST)
        except ObjectStoreError as error:
            if error.kind == "missing":
                raise BundleMissing(
                    f"no bundle {version!r} in {self.objects.address}, or not yet: publish it"
                ) from error
            raise
        (partial / MANIFEST).write_bytes(content)
        try:
            manifest = read_manifest(partial)
        except BundleError as error:
            text = error.message.replace(str(partial / MANIFEST), self.objects.shown(name))
            raise type(error)(text) from error
        if manifest.version != version:
            raise BundleCorrupt(
                f"{self.objects.shown(name)}: expected version {version} of its name, got {manifest.version}: publish "
                "it again"
            )
        for path in manifest.files:
            if not _is_inside(path):
                raise BundleCorrupt(
                    f"{self.objects.shown(name)}: expected files of the bundle, got {path!r}: publish it again"
                )
        return manifest

    def _fetch_file(self, version: str, name: str, entry: FileEntry, target: Path, ends: float) -> int:
        """Fetch a file of the version, and return its bytes."""
        digest, size = hashlib.sha256(), 0
        shown = self.objects.shown(f"{version}/{name}")
        try:
            with target.open("wb") as file:
                for chunk in self.objects.chunks(f"{version}/{name}"):
                    digest.update(chunk)
                    size += len(chunk)
                    if size > entry.bytes:
                        break
                    file.write(chunk)
                    self._refuse_to_go_on(version, ends)
        except ObjectStoreError as error:
            if error.kind == "missing":
                raise BundleCorrupt(f"{shown}: listed in the manifest but missing: publish it again") from error
            raise
        if size != entry.bytes or digest.hexdigest() != entry.sha256:
            target.unlink()
            raise BundleCorrupt(f"{shown}: checksum differs from the manifest's: publish it again")
        return size

    def _refuse_to_go_on(self, version: str, ends: float) -> None:
        if self._is_ending():
            raise BundleUnreadable(f"{self.objects.shown(version)}: the fetch is ended, since this service ends")
        if time.monotonic() > ends:
            raise BundleUnreadable(
                f"{self.objects.shown(version)}: not fetched within {self._fetch_s:g} s: it goes on where it was; see "
                "that the store of objects is well, or raise AISLE_FETCH_TIMEOUT_S"
            )

    def _fetch_erasures(self) -> None:
        """Add the list of erasures beside the versions in the store to the one beside those here."""
        try:
            content = self.objects.read(ERASURES, LARGEST_ERASURES)
        except ObjectStoreError as error:
            if error.kind == "missing":
                return
            raise
        partial = self.folder / _ERASURES_BESIDE
        partial.mkdir(exist_ok=True)
        (partial / ERASURES).write_bytes(content)
        note_erasures(self.folder, read_erasures(partial))
        shutil.rmtree(partial)

    def _entries(self) -> Iterator[tuple[Path, str]]:
        """The files that this machine has of any version, with the checksum that they should have."""
        for version in versions(self.folder):
            with contextlib.suppress(BundleError):
                for name, entry in read_manifest(self.folder / version).files.items():
                    yield self.folder / version / name, entry.sha256

    def _make_room(self, in_use: set[str], partial: Path, more: int, version: str) -> None:
        """Remove the oldest versions until `more` bytes fit within the limit, with what is beside already.

        Raises:
            BundleUnreadable: they never do; nothing is removed.
        """
        here = versions(self.folder)
        kept = _bytes_of([partial, *(self.folder / name for name in here if name in in_use)])
        if kept + more > self._limit_bytes:
            raise BundleUnreadable(
                f"{self.objects.shown(version)}: expected at most {self._limit_bytes / MB:g} MB in {self.folder}, got "
                f"{more / MB:.1f} MB beside {kept / MB:.1f} MB in use: raise AISLE_CACHE_MB"
            )
        idle = [name for name in here if name not in in_use]
        while idle and _bytes_of([partial, *(self.folder / name for name in here)]) + more > self._limit_bytes:
            oldest = idle.pop(0)
            here.remove(oldest)
            shutil.rmtree(self.folder / oldest)
            log.info("bundle removed from the cache", extra={"version": oldest})


def _is_inside(name: str) -> bool:
    """Whether the name of a file in a manifest stays in the folder of the bundle."""
    path = PurePosixPath(name)
    return (
        name == path.as_posix()
        and not path.is_absolute()
        and bool(path.parts)
        and not any(part in {"..", "."} or "\0" in part or "\\" in part for part in path.parts)
        and name != MANIFEST
    )


def _has(path: Path, entry: FileEntry) -> bool:
    """Whether a file is there as the manifest says."""
    try:
        return path.stat().st_size == entry.bytes and sha256_of(path) == entry.sha256
    except OSError:
        return False


def _is_had(target: Path, entry: FileEntry, present: Path | None) -> bool:
    """Whether a file is beside already, of a fetch that was ended or by a link to that of another version."""
    if _has(target, entry):
        return True
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    if present is None or not _has(present, entry):
        return False
    os.link(present, target)
    return True


def _remove_others(partial: Path, manifest: Manifest) -> None:
    """Remove what a fetch that was ended left, and the manifest does not list."""
    for path in sorted(partial.rglob("*"), reverse=True):
        if path.is_file() and path.relative_to(partial).as_posix() not in {*manifest.files, MANIFEST}:
            path.unlink()


def _bytes_of(folders: Iterable[Path]) -> int:
    """Bytes of all files in folders; one that several of them link to counts once."""
    sizes: dict[int, int] = {}
    for folder in folders:
        for path in folder.rglob("*"):
            status = path.lstat()
            if stat.S_ISREG(status.st_mode):
                sizes[status.st_ino] = status.st_size
    return sum(sizes.values())


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One fetch at a time, in whichever process of this machine."""
    with (folder / _LOCK).open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
