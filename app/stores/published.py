"""Which versions may be served: by a folder of bundles alone, or by Redis, which all replicas follow."""

from pathlib import Path

from pydantic import ValidationError

from app.artifact.bundle_store import current, point_to, versions
from app.artifact.manifest import Manifest, read_manifest
from app.artifact.published_model import PublishedModel
from app.artifact.redis_keys import Keys
from app.errors import BundleError, ModelNotFound, StoreUnavailable
from app.stores.redis_gate import RedisGate


def model_of(manifest: Manifest) -> PublishedModel:
    """A bundle as a model that may be served; published when it was made."""
    return PublishedModel(
        version=manifest.version,
        dataset=manifest.dataset,
        published_at=manifest.created_at,
        users=manifest.shapes.users,
        items=manifest.shapes.items,
        dim=manifest.shapes.dim,
        cut=manifest.cut,
    )


class FolderModels:
    """The folder's own pointer.

    Args:
        folder: a store of bundles.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def current(self) -> str | None:
        """The version that the pointer file names."""
        return current(self._folder)

    async def published(self) -> list[PublishedModel]:
        """All bundles of the folder whose manifest can be read, oldest first."""
        found = []
        for version in versions(self._folder):
            try:
                manifest = read_manifest(self._folder / version)
            except BundleError:
                continue  # it could not be served either, and would say why
            found.append(model_of(manifest))
        return found

    async def point_to(self, version: str) -> None:
        """Make `version` the current one.

        Raises:
            ModelNotFound: the folder has no such bundle.
            StoreUnavailable: the pointer file cannot be written.
        """
        if version not in versions(self._folder):
            raise ModelNotFound(f"no version {version!r} in the store of bundles; GET /models lists those there are")
        try:
            point_to(self._folder, version)
        except OSError as error:
            raise StoreUnavailable("the pointer of the store of bundles cannot be written (folder)") from error


class RedisModels:
    """What `aisle-offline publish` wrote down.

    Args:
        gate: the way to Redis.
        keys: their names.
    """

    def __init__(self, gate: RedisGate, keys: Keys) -> None:
        self._gate = gate
        self._keys = keys

    async def current(self) -> str | None:
        """The version that the pointer names.

        Raises:
            StoreUnavailable: Redis cannot be asked.
        """
        found = await self._gate.read(lambda client: client.get(self._keys.pointer))
        return None if found is None else found.decode()

    async def published(self) -> list[PublishedModel]:
        """All published versions, oldest first.

        Raises:
            StoreUnavailable: Redis cannot be asked, or holds something else there.
        """
        entries = await self._gate.read(lambda client: client.hvals(self._keys.models))
        try:
            found = [PublishedModel.model_validate_json(entry) for entry in entries]
        except ValidationError as error:
            raise StoreUnavailable("the list of models was written by another version (unreadable)") from error
        return sorted(found, key=lambda model: model.version)

    async def point_to(self, version: str) -> None:
        """Move the pointer that every replica follows.

        Raises:
            ModelNotFound: it is not published.
            StoreUnavailable: Redis refuses.
        """
        if version not in {model.version for model in await self.published()}:
            raise ModelNotFound(f"version {version!r} is not published; GET /models lists those that are")
        await self._gate.write(lambda client: client.set(self._keys.pointer, version))


class FixedModels:
    """One bundle, and no other.

    Args:
        model: what is known of it.
    """

    def __init__(self, model: PublishedModel) -> None:
        self._model = model

    async def current(self) -> str | None:
        """The one."""
        return self._model.version

    async def published(self) -> list[PublishedModel]:
        """The one."""
        return [self._model]

    async def point_to(self, version: str) -> None:
        """Accepts the one.

        Raises:
            ModelNotFound: it is another.
        """
        if version != self._model.version:
            raise ModelNotFound("this service was given one bundle rather than a store of them: it serves no other")
