"""Services of one bundle, with a store in the process and no versions to follow."""

from typing import Final

from app.engine.snapshot import Snapshot
from app.serving.release import release_of
from app.serving.service import ServiceLimits
from app.serving.services import FollowOptions, ImpressionOptions, Services, build_services
from app.stores.memory import MemoryUserStore
from app.stores.published import FixedModels, model_from_manifest

PATIENCE_MS: Final = 60_000.0
"""No answer of a busy machine is late by it."""


def services_alone(snapshot: Snapshot, now: float) -> Services:
    """The services of a bundle; `now` is what their clock shows, NaN for none."""
    return build_services(
        release_of(snapshot, lambda: now),
        MemoryUserStore(),
        FollowOptions(FixedModels(model_from_manifest(snapshot.manifest)), None),
        ServiceLimits(timeout_ms=PATIENCE_MS),
        ImpressionOptions(),
    )
