"""A release: a loaded bundle (`Snapshot`) as it is served, with its users' states, its item ids and a clock."""

import logging
import math
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Literal, Protocol

from app.artifact.bundle_store import folder_of
from app.artifact.erasures import ERASURES, read_erasures
from app.artifact.user_state import check_user_states, read_user_states
from app.engine.gpu_retriever import Device
from app.engine.loading import load_snapshot
from app.engine.runtime import CUDA, runtime
from app.engine.snapshot import Snapshot
from app.errors import AisleError, BundleCorrupt, BundleError, BundleUnfit, BundleUnreadable, DeviceUnavailable
from app.stores.bundled import BundledStates

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Release:
    """A snapshot under the version that it is published as, with all else that answers need.

    A request takes the current release once and holds it to the end. It never changes: a reload makes another one and
    swaps the reference.
    """

    snapshot: Snapshot
    states: BundledStates  # of people as of the cut, without those in the list of erasures beside the bundle
    item_ids: Sequence[str]  # by row
    clock: Callable[[], float]  # 'now' in unix seconds, NaN without a clock
    erasures: Mapping[int, float] = field(default_factory=dict)  # of that list, unix seconds by hash
    base: "Release | None" = None  # as its bundle says it, where items were changed since

    def with_view(self, snapshot: Snapshot) -> "Release":
        """The same release with items as they are now."""
        base = self.base or self
        return (
            base
            if snapshot is base.snapshot
            else replace(base, snapshot=snapshot, item_ids=snapshot.items.all_ids(), base=base)
        )

    @property
    def bundle_span(self) -> int:
        """The row behind the bundle's last one: that of the first item which came later."""
        return int((self.base or self).snapshot.items.selectable.shape[1])

    @cached_property
    def sorted_ids(self) -> Sequence[str]:
        """The ids of all items of the bundle, ascending."""
        return self.snapshot.items.ids.ascending()

    @property
    def version(self) -> str:
        """The name of the version."""
        return self.snapshot.manifest.version

    def wall_clock(self) -> float:
        """'Now' in unix seconds, by the machine's clock where the bundle has none."""
        now = self.clock()
        return time.time() if math.isnan(now) else now


@dataclass(frozen=True)
class DevicePolicy:
    """Where retrieval runs."""

    kind: Literal["auto", "cpu", "cuda"] = "cpu"  # auto: a GPU where one can be used
    memory_mb: int = 0  # of the GPU; 0 for no limit
    captures: bool = True  # whether the kernels of runs on a GPU are captured once and replayed


class VersionSupply(Protocol):
    """Has versions of bundles brought into a folder from elsewhere."""

    def obtain(self, version: str, in_use: Iterable[str] = (), anew: bool = False) -> bool:
        """Have a version in the folder, beside those in use, and return whether it had to be brought there.

        Raises:
            BundleError: it cannot be had, or must not be served.
        """

    def note_served(self, version: str) -> None:
        """Note that a version is served from now on."""


@dataclass(frozen=True)
class LoadOptions:
    """How bundles are loaded, and what they have to pass."""

    threads: int = 1  # inside one run of a graph; 0 takes all cores
    clock: Literal["wall", "bundle"] = "wall"  # as in `clock_of`
    device: DevicePolicy = DevicePolicy()
    rehearse: Callable[[Release], None] | None = None  # answers requests by a release; raises `BundleError`
    supply: VersionSupply | None = None  # brings versions into the store of bundles; None where they lie there


def load_release(path: Path, options: LoadOptions, version: str | None = None) -> Release:
    """Load a bundle, verify it, and answer its own warm-up requests and those of a rehearsal.

    Args:
        path: a bundle, or a store of bundles, of which the current one is loaded.
        options: how.
        version: that it must be; for a store by default the one that its pointer names.

    Raises:
        BundleError: it must not be served, whatever the cause.
        DeviceUnavailable: the options ask for a GPU, and there is none.
        RuntimeMissing: there is no ONNX Runtime.
    """
    try:
        snapshot = _load_snapshot(path, options.threads, options.device, version)
        release = release_of(snapshot, clock_of(options.clock, snapshot.manifest.cut))
        if options.rehearse is not None:
            options.rehearse(release)
        return release
    except Exception as error:
        raise refusal_of(error, path) from error


def load_version(store: Path, version: str, options: LoadOptions, in_use: Iterable[str] = ()) -> Release:
    """As `load_release`, of one version in a store of bundles, into which it is brought first where there is a supply.

    Args:
        store: a store of bundles.
        version: of the bundle.
        options: how it is loaded.
        in_use: versions that a supply leaves there.
    """
    supply = options.supply
    was_brought = supply is not None and supply.obtain(version, in_use)
    try:
        return load_release(folder_of(store, version), options, version)
    except BundleCorrupt:
        if supply is None or was_brought:
            raise
    supply.obtain(version, in_use, anew=True)  # what was brought once was damaged since
    return load_release(folder_of(store, version), options, version)


def refusal_of(error: Exception, path: Path) -> AisleError:
    """The refusal of the bundle at `path` for whatever came while it was loaded; an intended error is one itself.

    A plain `BundleError` stands for what nobody foresaw: its cause belongs in the log.
    """
    if isinstance(error, AisleError):
        return error
    if isinstance(error, MemoryError):
        return BundleUnreadable(f"{path}: this machine has no memory for it: give it more, or serve a smaller bundle")
    if isinstance(error, OSError):
        where = path if error.filename is None else os.fsdecode(error.filename)
        return BundleUnreadable(
            f"{where}: cannot be read ({error.strerror or error}): let the user that this runs as read it, and see "
            "that the disk is well"
        )
    first_line = str(error).partition("\n")[0]
    return BundleError(f"{path}: cannot be served ({type(error).__name__}: {first_line}): export it again")


def release_of(snapshot: Snapshot, clock: Callable[[], float]) -> Release:
    """The release of a loaded bundle.

    Raises:
        BundleCorrupt: its users cannot be read.
        BundleUnreadable: the list of erasures beside it cannot be read.
    """
    try:
        erasures = read_erasures(snapshot.folder.parent)
    except OSError as error:
        raise BundleUnreadable(
            f"{snapshot.folder.parent / ERASURES}: the list of erasures cannot be read ({error.strerror}): correct its "
            "permissions; without it the past of erased people would come back"
        ) from error
    try:
        states = read_user_states(snapshot.folder)
        check_user_states(snapshot.folder, states, snapshot.manifest.shapes)
        states = states.without(erasures)
    except (OSError, ValueError) as error:
        raise BundleCorrupt(f"{snapshot.folder}: users cannot be read ({error}): export it again") from error
    items = snapshot.items
    return Release(
        snapshot=snapshot,
        states=BundledStates(states, items.hashes_by_row()),
        item_ids=items.all_ids(),
        clock=clock,
        erasures=erasures,
    )


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


def _load_snapshot(path: Path, threads: int, device: DevicePolicy, version: str | None) -> Snapshot:
    load = partial(load_snapshot, path, threads, version=version)
    if device.kind == "cpu" or (device.kind == "auto" and CUDA not in runtime().get_available_providers()):
        return load()
    try:
        return load(device=Device("cuda", device.memory_mb, device.captures))
    except (DeviceUnavailable, BundleUnfit) as error:
        if device.kind == "cuda":
            raise
        log.warning("the GPU is not used", extra={"reason": error.message})
        return load()
