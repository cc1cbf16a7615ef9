"""All services of one process, built around one release and one store."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import random

import numpy as np

from app.serving.activity import ActivityFeed
from app.serving.attribution import OnlineTracker
from app.serving.catalogue_writer import CatalogueWriter
from app.serving.cursor_keys import CursorKeys
from app.serving.erasure_list import ErasureList
from app.serving.events import EventService
from app.serving.follower import BundleFollower
from app.serving.impressions import ImpressionLog, ImpressionRecorder
from app.serving.live_catalogue import CatalogueWaits, LiveCatalogue
from app.serving.predict import PredictService
from app.serving.release import LoadOptions, Release
from app.serving.service import RecommendService, ServiceLimits
from app.serving.users import UserService
from app.stores.catalogue import CatalogueStore
from app.stores.memory_catalogue import MemoryCatalogueStore
from app.stores.protocol import ModelStore, UserStore
from app.telemetry.metrics import Metrics
from app.telemetry.online import OnlineMetrics


@dataclass
class Drain:
    """Whether the process has been told to end; whoever receives the signal sets it, once."""

    begun: bool = False


@dataclass(frozen=True)
class FollowOptions:
    """Where further versions come from, and how they are loaded."""

    models: ModelStore
    folder: Path | None  # store of bundles; None where one bundle was named
    load: LoadOptions = field(default_factory=LoadOptions)
    every_s: float = 0.0  # 0 looks only when asked to


@dataclass(frozen=True)
class ImpressionOptions:
    """Which answers are logged as shown, and which are followed to count clicks."""

    share: float = 1.0  # of the answers, 0 to 1
    capacity: int = 10_000  # impressions that may wait to be sent
    follow_s: float = 1_800.0  # how long an answer is followed
    follow_bytes: float = 24e6  # what following may take; 0 follows none


@dataclass(frozen=True)
class Services:
    """What the HTTP side speaks to. All answer from the current release of `recommender`."""

    recommender: RecommendService
    predictor: PredictService
    store: UserStore
    follower: BundleFollower
    events: EventService
    users: UserService
    erasures: ErasureList
    live: LiveCatalogue
    catalogue: CatalogueWriter
    activity: ActivityFeed
    recorder: ImpressionRecorder
    metrics: Metrics
    cursors: CursorKeys
    drain: Drain = field(default_factory=Drain)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the background work from entry to exit."""
        await self.store.start()
        await self.erasures.start()
        await self.live.start()
        await self.activity.start()
        await self.follower.start()
        await self.recorder.log.start()
        try:
            yield
        finally:
            await self.recommender.lanes.close()
            await self.follower.close()
            await self.activity.close()
            await self.live.close()
            await self.recorder.log.close()
            await self.erasures.close()
            await self.store.close()

    def item_ids_of(self, hashes: list[int]) -> list[str | None]:
        """The ids behind stable hashes, `None` for items that the current catalogue lacks."""
        release = self.recommender.release
        rows = release.snapshot.items.rows_of_hashes(np.array(hashes, dtype=np.uint64))
        return [release.item_ids[row] if row else None for row in rows.tolist()]


def build_services(
    release: Release,
    store: UserStore,
    follow: FollowOptions,
    limits: ServiceLimits,
    impressions: ImpressionOptions,
    metrics: Metrics | None = None,
    drain: Drain | None = None,
    cursors: CursorKeys | None = None,
    erasures: Path | None = None,
    catalogue: CatalogueStore | None = None,
    waits: CatalogueWaits | None = None,
) -> Services:
    """The services that answer from `release` and `store`.

    Args:
        release: served first.
        store: keeps user states.
        follow: where further versions come from.
        limits: what this process takes on.
        impressions: which answers are logged and followed.
        metrics: goes on counting in these; in new ones by default.
        drain: set by whoever receives the signal to end; a new one by default.
        cursors: sign and accept cursors; with a key of this process's own by default.
        erasures: the folder whose list of erasures this process keeps; `None` keeps none.
        catalogue: keeps changes of items; by default this process does.
        waits: how long changes are waited for that were accepted and are not served yet.
    """
    metrics = metrics or Metrics()
    online = OnlineTracker(OnlineMetrics(metrics.registry), impressions.follow_s, impressions.follow_bytes)
    recommender = RecommendService(release, store, limits, metrics)
    live = LiveCatalogue(recommender, catalogue or MemoryCatalogueStore(), metrics, waits or CatalogueWaits(), store)
    activity = ActivityFeed(recommender, live, store, metrics)
    now = _current_clock(recommender)
    erasure_list = ErasureList(erasures, store)
    metrics.watch_store(
        lambda: float(not store.lagging), lambda: float(len(store.warnings)), lambda: float(store.waiting_events)
    )
    store.damage.listeners.append(metrics.count_damaged)
    share = impressions.share if store.name == "redis" else 0.0  # nobody could collect them from the other
    return Services(
        recommender=recommender,
        predictor=PredictService(recommender, limits, metrics),
        store=store,
        follower=BundleFollower(
            recommender, follow.models, follow.folder, follow.load, follow.every_s, metrics, live.serve
        ),
        events=EventService(
            store, now, online, _catalogue(recommender), _own_ids(recommender), activity.note, live.look
        ),
        users=UserService(store, now, online, erasure_list),
        erasures=erasure_list,
        live=live,
        catalogue=CatalogueWriter(live, now),
        activity=activity,
        recorder=ImpressionRecorder(ImpressionLog(store, share, impressions.capacity, random, metrics), online),
        metrics=metrics,
        cursors=cursors or CursorKeys(),
        drain=drain or Drain(),
    )


def _current_clock(recommender: RecommendService) -> Callable[[], float]:
    """Tells unix seconds by the clock of the release that is served at that moment."""

    def now() -> float:
        return recommender.release.wall_clock()

    return now


def _catalogue(recommender: RecommendService) -> Callable[[Sequence[int]], list[bool]]:
    """Tells which items, by hash, the catalogue of the release that is served at that moment knows."""

    def known(hashes: Sequence[int]) -> list[bool]:
        rows = recommender.release.snapshot.items.rows_of_hashes(np.array(hashes, dtype=np.uint64))
        return [row > 0 for row in rows.tolist()]

    return known


def _own_ids(recommender: RecommendService) -> Callable[[str], str]:
    """Tells an item's own id, of an id that may be a variant's, by the release that is served at that moment."""

    def own_id(item_id: str) -> str:
        release = recommender.release
        row = release.snapshot.items.row_of(item_id)
        return release.item_ids[row] if row else item_id

    return own_id
