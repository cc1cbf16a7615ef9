"""Which versions may be served: those in a store of objects, whose pointer is an object, too."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from app.artifact.bundle_store import POINTER, name_refusal, versions
from app.artifact.manifest import LARGEST_MANIFEST, Manifest, read_manifest
from app.artifact.names import MANIFEST
from app.artifact.published_model import PublishedModel
from app.artifact.replica_record import ReplicaRecord
from app.errors import BundleError, ModelNotFound, ObjectStoreError, StoreUnavailable
from app.stores.bundle_cache import BundleCache
from app.stores.published import model_from_manifest

MOST_LISTED: Final = 100  # versions, the newest

log = logging.getLogger(__name__)


class ObjectModels:
    """The bundles of a store of objects, and its pointer.

    Args:
        cache: of that store.
        show: receives whether it answers, with each look at the pointer.
    """

    def __init__(self, cache: BundleCache, show: Callable[[bool], None]) -> None:
        self._cache = cache
        self._objects = cache.objects
        self._show = show
        self._known: dict[str, PublishedModel] = {}
        self._answers = True

    async def current(self) -> str | None:
        """The version that the pointer names.

        Raises:
            BundleCorrupt: it names none.
            StoreUnavailable: the store does not answer; said in the log, once, and by a metric.
        """
        try:
            version = await asyncio.to_thread(self._cache.pointer)
        except ObjectStoreError as error:
            self._note(error)
            raise StoreUnavailable(f"the store of bundles cannot be read ({error.kind})") from error
        self._note(None)
        return version

    async def published(self) -> list[PublishedModel]:
        """All versions whose manifest can be read, oldest first; of files over HTTP those that this machine has.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        try:
            return await asyncio.to_thread(self._published)
        except ObjectStoreError as error:
            self._note(error)
            raise StoreUnavailable(f"the store of bundles cannot be read ({error.kind})") from error

    async def point_to(self, version: str) -> None:
        """Make `version` the current one.

        Raises:
            ModelNotFound: the store has no such version.
            StoreUnavailable: the pointer cannot be written.
        """
        if version not in {model.version for model in await self.published()}:
            raise ModelNotFound(f"no version {version!r} in the store of bundles; GET /models lists those there are")
        try:
            await asyncio.to_thread(self._objects.put, POINTER, f"{version}\n".encode())
        except ObjectStoreError as error:
            raise StoreUnavailable(f"the pointer of the store of bundles cannot be written ({error.kind})") from error

    async def announce(self, replica: str, record: ReplicaRecord) -> None:
        """Do nothing: nobody asks a store of objects who serves from it."""

    async def withdraw(self, replica: str) -> None:
        """Do nothing, as there is no record."""

    def _note(self, error: ObjectStoreError | None) -> None:
        """Tell where the store begins or ceases to answer."""
        answers = error is None
        self._show(answers)
        if answers == self._answers:
            return
        self._answers = answers
        if error is None:
            log.info("the store of bundles answers again")
        else:
            log.warning("the store of bundles does not answer; what is served stays", extra={"reason": error.message})

    def _published(self) -> list[PublishedModel]:
        here = versions(self._cache.folder)
        names = self._objects.folders() if self._objects.address.is_writable else here
        models = []
        for name in [name for name in names if name_refusal(name) is None][-MOST_LISTED:]:
            if name not in self._known:
                manifest = self._manifest_of(name, name in here)
                if manifest is None or manifest.version != name:
                    continue
                self._known[name] = model_from_manifest(manifest)
            models.append(self._known[name])
        return models

    def _manifest_of(self, version: str, is_here: bool) -> Manifest | None:
        """The manifest of a version; `None` where there is none that can be read, as while it is being published."""
        try:
            if is_here:
                return read_manifest(self._cache.folder / version)
            return Manifest.model_validate_json(self._objects.read(f"{version}/{MANIFEST}", LARGEST_MANIFEST))
        except ObjectStoreError as error:
            if error.kind == "missing":
                return None
            raise
        except (BundleError, ValueError):
            return None
