"""What a stage of the job is: what it may use, what it leaves, and what its outcome depends on."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from app.artifact.names import SCHEMA_VERSION
from offline.compress.choice import MAX_LOSS
from offline.dataset.reading import find_files
from offline.dataset.spec import DatasetSpec
from offline.split.withhold import Withhold
from offline.workspace.progress import Progress, TrainProgress
from offline.workspace.run_folder import RunFolder, key_of


@dataclass(frozen=True)
class Options:
    """How a run is done, besides its data."""

    split: str | None = None  # column, time:F, last or random; None takes the first that the data allows
    seed: int = 0
    device: str = "auto"  # auto, cpu or cuda
    budget_s: float | None = None  # seconds of training
    overrides: dict[str, Any] | None = None  # of `TrainSettings`
    without: tuple[str, ...] = ()  # of `SWITCHES`: pieces to leave out
    refit: bool = True  # whether the bundle's network learns from the validation events too
    weight_bits: int = 8
    max_loss: float = MAX_LOSS  # share of the validation metric that compression may cost
    max_bad_share: float = 0.05
    baselines: bool = True
    withhold: Withhold | None = None  # items that nothing is trained on
    warm_from: Path | None = None  # run folder whose weights training begins with
    warm_epochs: int | None = None  # then; None takes a third


class Display(Protocol):
    """Shows how far a run is."""

    def stage(self, name: str) -> None:
        """A stage begins."""
        ...

    def skipped(self, name: str) -> None:
        """A stage was done before and is left as it is."""
        ...

    def work(self, done: int, total: int, what: str) -> None:
        """The current stage has done `done` of `total` steps."""
        ...

    def training(self, progress: TrainProgress) -> None:
        """Training has done a step."""
        ...


@dataclass(frozen=True)
class StageContext:
    """What a stage works with."""

    spec: DatasetSpec
    folder: RunFolder
    options: Options
    device: torch.device
    display: Display
    key: str  # of this stage, see `stage_keys`

    @property
    def progress(self) -> Progress:
        """Reports how far the stage is."""
        return self.display.work


@dataclass(frozen=True)
class Stage:
    """One stage. A further one is an entry of `offline.job.STAGES`, and a folder or file of `RunFolder`."""

    name: str
    run: Callable[[StageContext], dict[str, Any]]  # does the work; returns results for the record of the run
    marker: Callable[[RunFolder], Path]  # exists when the stage is done
    outputs: Callable[[RunFolder], tuple[Path, ...]]  # what it writes: a damaged one is deleted and made again
    key: Callable[[DatasetSpec, Options], list[Any]]  # what its outcome depends on, besides the stages before it
    version: int | None = None  # raised when its code writes something else than before; None is no part of the key


def stage_keys(stages: Iterable[Stage], spec: DatasetSpec, options: Options) -> dict[str, str]:
    """A hash for each stage of everything that its outcome depends on: its own key and version, and those before."""
    keys: dict[str, str] = {}
    previous = ""
    for stage in stages:
        version = [] if stage.version is None else [stage.version]
        previous = keys[stage.name] = key_of(previous, [*version, *stage.key(spec, options)])
    return keys


def data_key(spec: DatasetSpec) -> str:
    """A hash of a data set's description, the state of its files, and the schema of bundles."""
    return key_of(SCHEMA_VERSION, spec.toml.text, file_states(spec))


def file_states(spec: DatasetSpec) -> list[Any]:
    """Name, size in bytes and time of change of every local file that the data set names."""
    paths: list[str] = []
    for table in (spec.events, spec.items, spec.users):
        if table is not None:
            paths += find_files(spec.root, table.path, "")
    if spec.evaluation.task == "graded_search":
        paths += find_files(spec.root, (spec.evaluation.queries, spec.evaluation.judgments), "")
    return [[path, *_state(Path(path))] for path in paths if "://" not in path]


def warm_start_key(options: Options) -> list[Any]:
    """What a stage depends on that uses an earlier run; empty without one, so that the key stays that of a cold run."""
    return [] if options.warm_from is None else [str(options.warm_from), options.warm_epochs]


def withhold_key(options: Options) -> list[Any]:
    """What a stage depends on where items are withheld; empty where none are."""
    return [asdict(options.withhold)] if options.withhold else []


def _state(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns
