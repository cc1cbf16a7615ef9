"""Which versions may be served: those in a folder of bundles, or those published to Redis, which replicas follow."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import redis
from pydantic import ValidationError
from redis.asyncio import Redis

from app.artifact.bundle_store import point_to, pointer, version_in, versions
from app.artifact.manifest import Manifest, read_manifest
from app.artifact.published_model import PublishedModel
from app.artifact.redis_keys import LAYOUT, Keys
from app.artifact.replica_record import LIVES_S, ReplicaRecord
from app.errors import BundleCorrupt, BundleError, ModelNotFound, StoreUnavailable
from app.stores.redis_gate import RedisGate, is_wrong_type


def model_from_manifest(manifest: Manifest) -> PublishedModel:
    """The published model of a bundle that was never published: its time is that of the bundle."""
    return PublishedModel(
        version=manifest.version,
        dataset=manifest.dataset,
        published_at=manifest.created_at,
        users=manifest.shapes.users,
        items=manifest.shapes.answerable,
        dim=manifest.shapes.dim,
        cut=manifest.cut,
    )


class FolderModels:
    """The bundles of a folder, and the folder's own pointer.

    Args:
        folder: a store of bundles.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def current(self) -> str | None:
        """The version that the pointer file names.

        Raises:
            BundleError: it names none, or cannot be read.
        """
        return pointer(self._folder)

    async def published(self) -> list[PublishedModel]:
        """All bundles of the folder whose manifest can be read, oldest first."""
        models = []
        for version in versions(self._folder):
            try:
                manifest = read_manifest(self._folder / version)
            except BundleError:
                continue  # it could not be served either, and would say why
            models.append(model_from_manifest(manifest))
        return models

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

    async def announce(self, replica: str, record: ReplicaRecord) -> None:
        """Do nothing: nobody asks a folder who serves from it."""

    async def withdraw(self, replica: str) -> None:
        """Do nothing, as there is no record."""


class RedisModels:
    """The versions and the pointer that `aisle-offline publish` writes to Redis.

    Args:
        gate: exchanges with Redis.
        keys: names its keys.
    """

    def __init__(self, gate: RedisGate, keys: Keys) -> None:
        self._gate = gate
        self._keys = keys

    async def current(self) -> str | None:
        """The version that the pointer names, `None` where it names none or is damaged.

        Raises:
            StoreUnavailable: Redis cannot be read.
            BundleCorrupt: the pointer names no version.
        """
        where = f"{self._keys.pointer.decode()} in Redis"
        try:
            content = await self._gate.read(lambda client: client.get(self._keys.pointer))
        except StoreUnavailable as error:
            if is_wrong_type(error.__cause__):
                self._gate.damage.note("pointer")
                raise BundleCorrupt(f"{where}: expected the name of a version, got another type: publish") from error
            raise
        return None if content is None else version_in(content, where)

    async def published(self) -> list[PublishedModel]:
        """All published versions whose record can be read, oldest first.

        Raises:
            StoreUnavailable: Redis cannot be read.
        """
        entries = await self._read_undamaged("models", lambda client: client.hvals(self._keys.models))
        models = []
        for entry in entries or []:
            try:
                models.append(PublishedModel.model_validate_json(entry))
            except ValidationError:
                self._gate.damage.note("models")
        return sorted(models, key=lambda model: model.version)

    async def point_to(self, version: str) -> None:
        """Move the pointer that every replica follows.

        Raises:
            ModelNotFound: it is not published.
            StoreUnavailable: Redis refuses.
        """
        if version not in {model.version for model in await self.published()}:
            raise ModelNotFound(f"version {version!r} is not published; GET /models lists those that are")
        await self._gate.write(lambda client: client.set(self._keys.pointer, version))

    async def announce(self, replica: str, record: ReplicaRecord) -> None:
        """Write the record of `replica`, which vanishes by itself.

        Raises:
            StoreUnavailable: Redis refuses, or does not answer at present, which a record is no reason to try.
        """
        if self._gate.is_open:
            raise StoreUnavailable("the store does not answer at present (breaker_open)")
        text = record.model_copy(update={"layout": LAYOUT}).model_dump_json()

        async def write(client: Redis) -> None:
            async with client.pipeline(transaction=False) as pipe:
                pipe.set(self._keys.replica(replica), text, ex=LIVES_S)
                pipe.sadd(self._keys.replicas, replica)
                await pipe.execute()

        await self._gate.write(write)

    async def withdraw(self, replica: str) -> None:
        """Remove the record of `replica`.

        Raises:
            StoreUnavailable: Redis refuses.
        """

        async def remove(client: Redis) -> None:
            async with client.pipeline(transaction=False) as pipe:
                pipe.delete(self._keys.replica(replica))
                pipe.srem(self._keys.replicas, replica)
                await pipe.execute()

        await self._gate.write(remove)

    async def _read_undamaged(self, kind: str, read: Callable[[Redis], Awaitable[Any]]) -> Any:
        """What `read` gets, or `None` where the key holds a value of another type."""

        async def attempt(client: Redis) -> Any:
            try:
                return await read(client)
            except redis.ResponseError as error:
                if not is_wrong_type(error):
                    raise
                self._gate.damage.note(kind)
                return None

        return await self._gate.read(attempt)


class FixedModels:
    """One bundle, and no other.

    Args:
        model: the bundle's.
    """

    def __init__(self, model: PublishedModel) -> None:
        self._model = model

    async def current(self) -> str | None:
        """The version of the bundle."""
        return self._model.version

    async def published(self) -> list[PublishedModel]:
        """A list with the bundle alone."""
        return [self._model]

    async def point_to(self, version: str) -> None:
        """Accept the version of the bundle, which is served already.

        Raises:
            ModelNotFound: it is another version.
        """
        if version != self._model.version:
            raise ModelNotFound("this service was given one bundle rather than a store of them: it serves no other")

    async def announce(self, replica: str, record: ReplicaRecord) -> None:
        """Do nothing: nobody asks one bundle who serves from it."""

    async def withdraw(self, replica: str) -> None:
        """Do nothing, as there is no record."""
