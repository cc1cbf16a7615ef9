"""One version as it is served: what a request holds from start to end."""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from app.artifact.user_state import read_user_states
from app.engine.gpu_retriever import Device
from app.engine.loading import load_snapshot
from app.engine.runtime import CUDA, runtime
from app.engine.snapshot import Snapshot
from app.errors import BundleCorrupt, BundleUnfit, DeviceUnavailable
from app.stores.bundled import BundledStates


def clock_of(kind: Literal["wall", "bundle"], cut: float | None) -> Callable[[], float]:
    """A function that tells 'now' in unix seconds.

    Args:
        kind: `wall` reads the machine's clock; `bundle` stands at `cut` when made and goes on from there.
        cut: the newest event that the bundle knows; `None` for a bundle without times, whose 'now' is NaN.
    """
    if cut is None:
        return lambda: math.nan
    if kind == "wall":
        return time.time
    offset = cut - time.monotonic()
    return lambda: offset + time.monotonic()


log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Release:
    """A loaded bundle and what goes with it. Immutable: a reload makes another and swaps the reference."""

    snapshot: Snapshot
    states: BundledStates  # of users as of the cut
    item_ids: tuple[str, ...]  # `[items + 1]`; a text column is slow to read item by item, a list slow to collect past
    clock: Callable[[], float]  # 'now' in unix seconds, NaN without a clock

    @property
    def version(self) -> str:
        """The name of the version."""
        return self.snapshot.manifest.version

    def wall_clock(self) -> float:
        """'Now' in unix seconds, by the machine's clock where the bundle has none."""
        now = self.clock()
        return time.time() if math.isnan(now) else now


@dataclass(frozen=True)
class DeviceWish:
    """Where retrieval shall run."""

    kind: Literal["auto", "cpu", "cuda"] = "cpu"  # auto: a GPU where one can be used
    memory_mb: int = 0  # of the GPU; 0 for no limit


def load_release(
    path: Path, threads: int, clock: Literal["wall", "bundle"], wish: DeviceWish = DeviceWish()
) -> Release:
    """Load the bundle at `path`, verify it, and answer its own warm-up requests.

    Args:
        path: a bundle, or a store of bundles.
        threads: threads inside one run of a graph; 0 takes all cores.
        clock: what 'now' is.
        wish: where retrieval shall run.

    Raises:
        BundleError: it must not be served.
        DeviceUnavailable: a GPU was wished for, and there is none.
    """
    snapshot = _load(path, threads, wish)
    return release_of(snapshot, clock_of(clock, snapshot.manifest.cut))


def _load(path: Path, threads: int, wish: DeviceWish) -> Snapshot:
    if wish.kind == "cpu" or (wish.kind == "auto" and CUDA not in runtime().get_available_providers()):
        return load_snapshot(path, threads)
    try:
        return load_snapshot(path, threads, Device("cuda", wish.memory_mb))
    except (DeviceUnavailable, BundleUnfit) as error:
        if wish.kind == "cuda":
            raise
        log.warning("the GPU is not used", extra={"reason": error.message})
        return load_snapshot(path, threads)


def release_of(snapshot: Snapshot, clock: Callable[[], float]) -> Release:
    """The release of a loaded bundle.

    Raises:
        BundleCorrupt: its users cannot be read.
    """
    try:
        states = read_user_states(snapshot.folder)
    except (OSError, ValueError) as error:
        raise BundleCorrupt(f"{snapshot.folder}: users cannot be read ({error}); export it again") from error
    items = snapshot.items
    return Release(
        snapshot=snapshot,
        states=BundledStates(states, items.hashes_by_row()),
        item_ids=tuple(items.id_of(row) for row in range(items.count + 1)),
        clock=clock,
    )
