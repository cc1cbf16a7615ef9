"""Which version is served: follow the pointer, load while the old one answers, swap between requests, keep the old."""

import asyncio
import contextlib
import ctypes
import logging
import math
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.artifact.bundle_store import POINTER
from app.artifact.published_model import PublishedModel
from app.artifact.replica_record import ReplicaRecord
from app.background import BackgroundTask
from app.errors import AisleError, BundleError, BundleMissing, BundleUnreadable, ModelNotFound
from app.serving.presence import Presence
from app.serving.release import LoadOptions, Release, load_version, refusal_of
from app.serving.service import RecommendService
from app.stores.protocol import ModelStore
from app.telemetry.metrics import Metrics

NOT_HERE: Final = "its folder is not in this machine's store of bundles yet"
RETRY_UNREADABLE_S: Final = 30.0  # until files that could not be read are tried again
_MOST_REFUSALS: Final = 32
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


@dataclass(frozen=True)
class _Refusal:
    """Why a version is not served, and until when (monotonic seconds) it is not tried again by itself."""

    reason: str
    until: float


class BundleFollower:
    """Loads and serves what the pointer names.

    Args:
        recommender: serves the release.
        models: reads and moves the pointer.
        folder: store of bundles, where versions lie; `None` when one bundle was named and nothing is to be followed.
        load: how bundles are loaded.
        every_s: seconds between looks at the pointer; 0 looks only at the start and on `reload`.
        metrics: counts loads and refusals.
        serve: lets a release be served from now on.
    """

    def __init__(
        self,
        recommender: RecommendService,
        models: ModelStore,
        folder: Path | None,
        load: LoadOptions,
        every_s: float,
        metrics: Metrics,
        serve: Callable[[Release], Awaitable[None]],
    ) -> None:
        self._recommender = recommender
        self._serve = serve
        self._models = models
        self._folder = folder
        self._load = load
        self._every_s = every_s
        self._metrics = metrics
        self._previous: Release | None = None
        self._pointed_to: str | None = None  # when it was last looked
        self._refusals: dict[str, _Refusal] = {}  # the newest last
        self._presence = Presence(models, self._replica_record, metrics.count_background_failure)
        self._busy = asyncio.Lock()
        self._task = BackgroundTask("follow", self._look, every_s, metrics.count_background_failure)

    @property
    def refused(self) -> dict[str, str]:
        """Why versions that the pointer named could not be served, by version; by `POINTER` where it names none."""
        return {version: refusal.reason for version, refusal in self._refusals.items()}

    async def start(self) -> None:
        """Look at the pointer, then every `every_s` seconds in the background; say meanwhile what is served."""
        await self._task.take_turn()
        await self._presence.start()
        if self._every_s > 0 and self._folder is not None:
            self._task.start()

    async def close(self) -> None:
        """Stop looking; a load under way ends first."""
        await self._task.close()
        await self._presence.close()

    async def list(self) -> list[ModelState]:
        """All versions that may be served, oldest first.

        Raises:
            StoreUnavailable: the store cannot be read.
        """
        try:
            pointed_to = await self._models.current()
        except BundleError:
            pointed_to = None  # it names none; `refused` says so
        served = self._recommender.release.version
        loaded = {served} | ({self._previous.version} if self._previous is not None else set())
        return [
            ModelState(
                model=model,
                is_served=model.version == served,
                is_loaded=model.version in loaded,
                is_pointed_to=model.version == pointed_to,
                refusal=self.refused.get(model.version),
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
            version = await self._read_pointer()
            if version is not None and version != self._recommender.release.version:
                await self._swap(await self._load_version(version))
            return self._recommender.release

    async def _look(self) -> None:
        async with self._busy:
            with contextlib.suppress(AisleError):  # noted and logged; what is served stays
                version = await self._read_pointer()
                if version is not None and self._folder is not None and self._is_to_be_tried(version):
                    await self._swap(await self._load_version(version))

    async def _read_pointer(self) -> str | None:
        """The version that the pointer names.

        Raises:
            BundleError: it names none, or cannot be read.
            StoreUnavailable: the store cannot be read, as it says itself.
        """
        try:
            version = await self._models.current()
        except BundleError as error:
            await self._refuse(POINTER, error)
            raise
        self._refusals.pop(POINTER, None)
        return version

    def _is_to_be_tried(self, version: str) -> bool:
        """Whether the version that the pointer names is to be loaded: one that was refused is not, until it may have
        been mended, or the pointer has moved on and back.
        """
        has_moved, self._pointed_to = version != self._pointed_to, version
        if version == self._recommender.release.version:
            return False
        refusal = self._refusals.get(version)
        return refusal is None or has_moved or refusal.until <= time.monotonic()

    async def _load_version(self, version: str) -> Release:
        """The release of a version: the served or the previous one if it is that, else loaded in a thread.

        Raises:
            ModelNotFound: there is no store of bundles.
            BundleError: it must not be served; noted and logged.
        """
        served = self._recommender.release
        for release in (served, self._previous):
            if release is not None and release.version == version:
                return release
        if self._folder is None:
            raise ModelNotFound("this service was given one bundle rather than a store of them: it serves no other")
        in_use = [release.version for release in (served, self._previous) if release is not None]
        interval = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_S)
        try:
            release = await asyncio.to_thread(load_version, self._folder, version, self._load, in_use)
        except Exception as error:
            refusal = refusal_of(error, self._folder / version)
            if refusal is not error:
                refusal.__cause__ = error
            await self._refuse(version, refusal)
            raise refusal from refusal.__cause__
        finally:
            sys.setswitchinterval(interval)
        self._metrics.count_load("loaded")
        return release

    async def _refuse(self, version: str, error: AisleError) -> None:
        """Note and tell why a version is not served; once where it stays so."""
        is_missing = isinstance(error, BundleMissing)
        reason = NOT_HERE if is_missing else error.message
        before = self._refusals.pop(version, None)
        wait_s = 0.0 if is_missing or version == POINTER else RETRY_UNREADABLE_S
        if not isinstance(error, BundleMissing | BundleUnreadable):
            wait_s = math.inf
        self._refusals[version] = _Refusal(reason, time.monotonic() + wait_s)
        while len(self._refusals) > _MOST_REFUSALS:
            del self._refusals[next(iter(self._refusals))]
        if before is not None and before.reason == reason and (is_missing or version == POINTER):
            return
        if is_missing:
            log.warning("the pointer names a bundle that is not here yet", extra={"version": version})
        else:
            self._metrics.count_load("refused")
            log.error(
                "a bundle is refused; the old one stays",
                extra={"version": version, "reason": reason},
                exc_info=error.__cause__ if type(error) is BundleError else None,
            )
        await self._presence.tell()

    async def _swap(self, release: Release) -> None:
        served = self._recommender.release
        is_other = release.version != served.version
        if is_other:
            try:
                await self._serve(release)
            except Exception as error:
                refusal = refusal_of(error, release.snapshot.folder)
                await self._refuse(release.version, refusal)
                raise refusal from error
            self._previous = served
        self._refusals.clear()
        if not is_other:
            return
        log.info("bundle served", extra={"version": release.version, "previous": served.version})
        if self._load.supply is not None:
            await asyncio.to_thread(self._load.supply.note_served, release.version)
        await self._presence.tell()
        await asyncio.to_thread(trim_memory)

    def _replica_record(self) -> ReplicaRecord:
        return ReplicaRecord(version=self._recommender.release.version, time=time.time(), refused=self.refused)


def trim_memory() -> None:
    """Return free pages to the system; takes milliseconds, in which other threads go on.

    glibc by itself returns only the top of its heap, and of other threads' heaps next to nothing: a bundle is loaded in
    a thread, so that each one would leave holes of its size.
    """
    if _TRIM is not None:
        _TRIM(0)
