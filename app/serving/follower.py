"""Which version is served: follow the pointer, load while the old one answers, swap between requests, keep the old."""

import asyncio
import contextlib
import ctypes
import logging
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.artifact.names import MANIFEST
from app.artifact.published_model import PublishedModel
from app.artifact.replica_record import ReplicaRecord
from app.errors import BundleError, DeviceUnavailable, ModelNotFound, StoreUnavailable
from app.serving.presence import Presence
from app.serving.release import LoadOptions, Release, load_release
from app.serving.service import RecommendService
from app.stores.protocol import ModelStore
from app.telemetry.metrics import Metrics

NOT_HERE: Final = "its folder is not in this machine's store of bundles yet"
_REFUSALS: Final = (BundleError, DeviceUnavailable)
_SWITCH_S: Final = 0.0005  # while a bundle is loaded in a thread, requests get the interpreter back this soon
_TRIM: Final = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc; other allocators trim by themselves

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ModelState:
    """One version and what this process knows of it."""

    model: PublishedModel
    is_served: bool
    is_loaded: bool  # served, or kept for a rollback
    is_pointed_to: bool
    refusal: str | None  # why loading it failed


class BundleFollower:
    """Loads and serves what the pointer names.

    Args:
        recommender: serves the release.
        models: reads and moves the pointer.
        folder: store of bundles, where versions lie; `None` when one bundle was named and nothing is to be followed.
        load: how bundles are loaded.
        every_s: seconds between looks at the pointer; 0 looks only at the start and on `reload`.
        metrics: counts loads and refusals.
    """

    def __init__(
        self,
        recommender: RecommendService,
        models: ModelStore,
        folder: Path | None,
        load: LoadOptions,
        every_s: float,
        metrics: Metrics,
    ) -> None:
        self._recommender = recommender
        self._models = models
        self._folder = folder
        self._load = load
        self._every_s = every_s
        self._metrics = metrics
        self._previous: Release | None = None
        self._refused: dict[str, str] = {}
        self._presence = Presence(models, self._replica_record)
        self._busy = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    @property
    def refused(self) -> dict[str, str]:
        """Why versions that the pointer named could not be served, by version."""
        return dict(self._refused)

    async def start(self) -> None:
        """Look at the pointer, then every `every_s` seconds in the background; say meanwhile what is served."""
        await self._look()
        await self._presence.start()
        if self._every_s > 0 and self._folder is not None:
            self._task = asyncio.create_task(self._keep_looking())

    async def close(self) -> None:
        """Stop looking; a load under way ends first."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._presence.close()

    async def list(self) -> list[ModelState]:
        """All versions that may be served, oldest first.

        Raises:
            StoreUnavailable: the store cannot be read.
        """
        pointed_to = await self._models.current()
        served = self._recommender.release.version
        loaded = {served} | ({self._previous.version} if self._previous is not None else set())
        return [
            ModelState(
                model=model,
                is_served=model.version == served,
                is_loaded=model.version in loaded,
                is_pointed_to=model.version == pointed_to,
                refusal=self._refused.get(model.version),
            )
            for model in await self._models.published()
        ]

    async def activate(self, version: str) -> Release:
        """Serve `version`, and move the pointer so that every replica does.

        It is loaded and verified first: the pointer never moves to a bundle that this process refuses.

        Raises:
            ModelNotFound: there is no such version.
            BundleError: it must not be served.
            StoreUnavailable: the pointer cannot be moved.
        """
        async with self._busy:
            if version not in {model.version for model in await self._models.published()}:
                raise ModelNotFound(f"no version {version!r} to serve; GET /models lists those there are")
            release = await self._load_version(version)
            await self._models.point_to(version)
            await self._swap(release)
            return release

    async def reload(self) -> Release:
        """Look at the pointer now, and try again what was refused before.

        Raises:
            BundleError: what it names must not be served.
            StoreUnavailable: the pointer cannot be read.
        """
        async with self._busy:
            version = await self._models.current()
            if version is not None and version != self._recommender.release.version:
                await self._swap(await self._load_version(version))
            return self._recommender.release

    async def _look(self) -> None:
        try:
            version = await self._models.current()
        except StoreUnavailable:
            return  # the store says so itself; what is served stays
        if version is None or version == self._recommender.release.version or self._folder is None:
            return
        if Path(version).name != version or not (self._folder / version / MANIFEST).is_file():
            if version not in self._refused:  # it may still be on its way here: look again
                log.warning("the pointer names a bundle that is not here yet", extra={"version": version})
                self._refused[version] = NOT_HERE
                await self._presence.tell()
            self._refused[version] = NOT_HERE
            return
        if self._refused.get(version, NOT_HERE) != NOT_HERE:
            return
        async with self._busy:
            try:
                await self._swap(await self._load_version(version))
            except _REFUSALS:
                return  # noted and logged; tried again on `reload`, or when the pointer has moved on and back

    async def _load_version(self, version: str) -> Release:
        """The release of a version: the served or the previous one if it is that, else loaded in a thread."""
        served = self._recommender.release
        for release in (served, self._previous):
            if release is not None and release.version == version:
                return release
        if self._folder is None:
            raise ModelNotFound("this service was given one bundle rather than a store of them: it serves no other")
        interval = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_S)
        try:
            release = await asyncio.to_thread(load_release, self._folder / version, self._load)
        except _REFUSALS as error:
            self._refused[version] = error.message
            self._metrics.count_load("refused")
            log.error("a bundle is refused; the old one stays", extra={"version": version, "reason": error.message})
            await self._presence.tell()
            raise
        finally:
            sys.setswitchinterval(interval)
        self._metrics.count_load("loaded")
        return release

    async def _swap(self, release: Release) -> None:
        served = self._recommender.release
        self._refused.clear()
        if release is served:
            return
        self._previous = served
        self._recommender.swap(release)
        log.info("bundle served", extra={"version": release.version, "previous": served.version})
        await self._presence.tell()
        await asyncio.to_thread(trim_memory)

    def _replica_record(self) -> ReplicaRecord:
        return ReplicaRecord(version=self._recommender.release.version, time=time.time(), refused=self._refused)

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            await self._look()


def trim_memory() -> None:
    """Return free pages to the system; takes milliseconds, in which other threads go on.

    glibc by itself returns only the top of its heap, and of other threads' heaps next to nothing: a bundle is loaded in
    a thread, so that each one would leave holes of its size.
    """
    if _TRIM is not None:
        _TRIM(0)
