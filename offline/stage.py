"""What a stage of the job is: what it may use, what it leaves, and what its outcome depends on."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from app.artifact.names import SCHEMA_VERSION
from offline.dataset.catalogue_mark import catalogue_key
from offline.dataset.erased import digest_of, known_erasures
from offline.dataset.live_items import live_items_key
from offline.dataset.reading import find_files
from offline.dataset.spec import DatasetSpec
from offline.dataset.synonyms import synonyms_key
from offline.options import Options
from offline.run_clock import RunClock
from offline.tables.sources import container_of
from offline.training.ranks import ALONE, Ranks
from offline.workspace.budget import Allowance
from offline.workspace.progress import Times, TrainProgress
from offline.workspace.run_folder import RunFolder, key_of


class Display(Protocol):
    """Shows how far a run is."""

    def begin(self, times: Times) -> None:
        """A run begins; `times` tells of it at any moment."""
        ...

    def say(self, line: str) -> None:
        """Something that people should know."""
        ...

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
    clock: RunClock
    ranks: Ranks = ALONE  # of the stages that train the network

    @property
    def allowance(self) -> Allowance:
        """The seconds that the stage may take."""
        return self.clock.allowance()

    def progress(self, done: int, total: int, what: str) -> None:
        """Report how far the stage is; a `Progress`."""
        self.clock.advance(done / max(total, 1))
        self.display.work(done, total, what)

    def training(self, progress: TrainProgress) -> None:
        """Report how far the training of the stage is."""
        done = (progress.epoch - 1 + progress.step / progress.steps) / progress.epochs
        self.clock.advance(max(done, min(self.allowance.share(), 0.99)))
        self.display.training(progress)


@dataclass(frozen=True)
class Stage:
    """One stage. A further one is an entry of `offline.stages.STAGES`, and a folder or file of `RunFolder`."""

    name: str
    run: Callable[[StageContext], dict[str, Any]]  # does the work; returns results for the record of the run
    marker: Callable[[RunFolder], Path]  # exists when the stage is done
    outputs: Callable[[RunFolder], tuple[Path, ...]]  # what it writes: a damaged one is deleted and made again
    key: Callable[[DatasetSpec, Options], list[Any]]  # what its outcome depends on, besides the stages before it
    version: int | None = None  # raised when its code writes something else than before; None is no part of the key
    optional: bool = False  # with an empty key it does nothing, and the keys behind are those of a run without it


def stage_keys(stages: Iterable[Stage], spec: DatasetSpec, options: Options) -> dict[str, str]:
    """A hash for each stage of everything that its outcome depends on: its own key and version, and those before."""
    keys: dict[str, str] = {}
    previous = ""
    for stage in stages:
        own = stage.key(spec, options)
        version = [] if stage.version is None else [stage.version]
        if own or not stage.optional:
            previous = key_of(previous, [*version, *own])
        keys[stage.name] = previous
    return keys


def data_key(spec: DatasetSpec) -> str:
    """A hash of a data set's description, the state of its files, who was erased, and the schema of bundles."""
    erased = digest_of(known_erasures(spec.root))
    return key_of(
        SCHEMA_VERSION,
        spec.toml.text,
        file_states(spec),
        *([erased] if erased else []),
        *synonyms_key(spec),
        *catalogue_key(spec.root),
        *live_items_key(spec.root),
    )


def file_states(spec: DatasetSpec) -> list[Any]:
    """Name, size in bytes and time of change of every local file that the data set names."""
    paths: list[str] = []
    for table in (spec.events, spec.items, spec.users):
        if table is not None:
            paths += find_files(spec.root, table.all_names, "")
    if spec.evaluation.task == "graded_search":
        paths += find_files(spec.root, (spec.evaluation.queries, spec.evaluation.judgments), "")
    return [[path, *_state(container_of(path)[0])] for path in paths if "://" not in path]


def warm_start_key(options: Options) -> list[Any]:
    """What a stage depends on that uses an earlier run; empty without one, so that the key stays that of a cold run."""
    return [] if options.warm_from is None else [str(options.warm_from), options.warm_epochs]


def withhold_key(options: Options) -> list[Any]:
    """What a stage depends on where items are withheld; empty where none are."""
    if not options.withhold:
        return []
    usual = {"live": False}  # what runs of before did not say
    return [{name: value for name, value in asdict(options.withhold).items() if value is not usual.get(name)}]


def _state(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns
