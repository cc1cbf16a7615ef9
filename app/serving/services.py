"""All that the HTTP side speaks to, put together around one release and one store."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import random

import numpy as np

from app.serving.attribution import OnlineTracker
from app.serving.events import EventIntake
from app.serving.follower import BundleFollower
from app.serving.impressions import ImpressionLog
from app.serving.predict import PredictService
from app.serving.release import Release
from app.serving.service import RecommendService, ServiceLimits
from app.serving.users import People
from app.stores.protocol import ModelStore, UserStore
from app.telemetry.metrics import Metrics
from app.telemetry.online import OnlineMetrics


@dataclass
class Drain:
    """Set once, by whoever hears the signal."""

    begun: bool = False


@dataclass(frozen=True)
class Following:
    """Where further versions come from."""

    models: ModelStore
    folder: Path | None  # store of bundles; None where one bundle was named
    load: Callable[[Path], Release]
    every_s: float = 0.0  # 0 looks only when asked to


@dataclass(frozen=True)
class Impressions:
    """How much of what was shown is noted, and followed."""

    share: float = 1.0
    waiting: int = 10_000  # notes that may wait to be sent
    follow_s: float = 1_800.0  # how long an answer is followed
    follow_bytes: float = 24e6  # what that may take; 0 follows none


@dataclass(frozen=True)
class Parts:
    """One running service."""

    service: RecommendService
    predictor: PredictService
    store: UserStore
    follower: BundleFollower
    intake: EventIntake
    people: People
    impressions: ImpressionLog
    online: OnlineTracker
    metrics: Metrics
    drain: Drain = field(default_factory=Drain)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """What works in the background, from start to end."""
        await self.store.start()
        await self.follower.start()
        await self.impressions.start()
        try:
            yield
        finally:
            await self.follower.close()
            await self.impressions.close()
            await self.store.close()

    def item_ids_of(self, hashes: list[int]) -> list[str | None]:
        """The ids behind stable hashes, `None` for items that the current catalogue lacks."""
        release = self.service.release
        rows = release.snapshot.items.rows_of_hashes(np.array(hashes, dtype=np.uint64))
        return [release.item_ids[row] if row else None for row in rows.tolist()]


def put_together(
    release: Release,
    store: UserStore,
    following: Following,
    limits: ServiceLimits,
    impressions: Impressions,
    metrics: Metrics | None = None,
    drain: Drain | None = None,
) -> Parts:
    """A service that answers from `release` and `store`.

    Args:
        release: to begin with.
        store: of user states.
        following: where further versions come from.
        limits: what this process takes on.
        impressions: how much of what was shown is noted, and followed.
        metrics: where some were counted before.
        drain: where the end may have been told of before.
    """
    metrics = metrics or Metrics()
    online = OnlineTracker(OnlineMetrics(metrics.registry), impressions.follow_s, impressions.follow_bytes)
    service = RecommendService(release, store, limits, metrics)
    now = _current_clock(service)
    metrics.watch_store(lambda: float(not store.lagging), lambda: float(store.waiting_events))
    share = impressions.share if store.name == "redis" else 0.0  # nobody could collect them from the other
    return Parts(
        service=service,
        predictor=PredictService(service, limits, metrics),
        store=store,
        follower=BundleFollower(
            service, following.models, following.folder, following.load, following.every_s, metrics
        ),
        intake=EventIntake(store, now, online),
        people=People(store, now, online),
        impressions=ImpressionLog(store, share, impressions.waiting, random, metrics),
        online=online,
        metrics=metrics,
        drain=drain or Drain(),
    )


def _current_clock(service: RecommendService) -> Callable[[], float]:
    """The clock of whatever release is served when it is asked."""

    def now() -> float:
        return service.release.wall_clock()

    return now
