"""One run of the job, stage by stage; reads as a table of contents."""

import json
import resource
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from app.artifact.bundle_store import resolve
from app.artifact.manifest import read_manifest
from app.artifact.names import SCHEMA_VERSION
from app.errors import InputError
from offline.dataset.ingest import SUMMARY_FILE, ingest
from offline.dataset.progress import Progress
from offline.dataset.reading import find_files
from offline.dataset.spec import DatasetSpec, load_spec
from offline.dataset.split import META_FILE, split
from offline.evaluation.evaluate import evaluate
from offline.export.bundle import export_bundle, record_metrics
from offline.graph.build import GRAPH_FILE, build_graph, item_graph, read_graph
from offline.run_folder import RunFolder, key_of
from offline.training.settings import choose_settings
from offline.training.train import TrainProgress, train
from offline.training.trained import HISTORY_FILE, load_trained

STAGES = ("ingest", "split", "graph", "train", "export", "evaluate")
_VERSION = 2
"""Part of every stage's key: raise it when a stage writes something else than before."""


@dataclass(frozen=True)
class Options:
    """What a run is asked for besides its data."""

    split: str | None = None  # column, time:F, last or random; None takes the first that the data allows
    seed: int = 0
    device: str = "auto"  # auto, cpu or cuda
    budget_s: float | None = None  # seconds of training
    overrides: dict[str, Any] | None = None  # of `TrainSettings`
    weight_bits: int = 8
    max_bad_share: float = 0.05
    baselines: bool = True


class Display(Protocol):
    """Who is told how far a run is."""

    def stage(self, name: str) -> None:
        """A stage begins."""
        ...

    def skipped(self, name: str) -> None:
        """A stage was done before."""
        ...

    def work(self, done: int, total: int, what: str) -> None:
        """How far the stage is."""
        ...

    def training(self, progress: TrainProgress) -> None:
        """How far training is."""
        ...


def run(data: Path, folder: RunFolder, options: Options, display: Display) -> dict[str, Any]:
    """All stages; those that were done before with the same data and options are left as they are.

    Returns:
        The evaluation of the exported bundle.

    Raises:
        AisleError: of the stage that cannot go on.
    """
    with folder.locked():
        return _run(data, folder, options, display, STAGES, again=False)


def run_stage(stage: str, data: Path, folder: RunFolder, options: Options, display: Display) -> dict[str, Any]:
    """One stage, whether it was done before or not. The stages before it must be done.

    Raises:
        AisleError: the stage cannot go on.
    """
    with folder.locked():
        return _run(data, folder, options, display, (stage,), again=True)


def choose_device(wanted: str) -> torch.device:
    """The device of that name; `auto` takes CUDA where there is one.

    Raises:
        InputError: there is no such device here.
    """
    if wanted not in ("auto", "cpu", "cuda"):
        raise InputError(f"expected --device auto, cpu or cuda, found {wanted!r}: choose one")
    if wanted == "cuda" and not torch.cuda.is_available():
        raise InputError("expected a CUDA device for --device cuda, found none: use --device cpu or auto")
    return torch.device("cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu")


def _run(
    data: Path, folder: RunFolder, options: Options, display: Display, stages: tuple[str, ...], *, again: bool
) -> dict[str, Any]:
    spec = load_spec(data)
    device = choose_device(options.device)
    keys = _keys(spec, options)
    outcome: dict[str, Any] = {}
    for name in stages:
        if not again and folder.is_done(name, keys[name]) and _MARKERS[name](folder).exists():
            display.skipped(name)
            continue
        display.stage(name)
        with _timed(folder, name, keys[name]) as results:
            results.update(_STAGES[name](_Work(spec, folder, options, device, display, keys[name])))
            outcome = results
    if stages == STAGES:
        document: dict[str, Any] = json.loads(folder.report.read_text("utf-8"))
        return document
    return dict(outcome)


@dataclass(frozen=True)
class _Work:
    spec: DatasetSpec
    folder: RunFolder
    options: Options
    device: torch.device
    display: Display
    key: str

    @property
    def progress(self) -> Progress:
        return self.display.work


def _ingest(work: _Work) -> dict[str, Any]:
    summary = ingest(work.spec, work.folder.ingested, work.progress, max_bad_share=work.options.max_bad_share)
    return {name: summary[name] for name in ("events", "items", "fingerprint")}


def _split(work: _Work) -> dict[str, Any]:
    options = work.options
    meta = split(
        work.folder.ingested, work.folder.split, work.spec, options.seed, options.split, progress=work.progress
    )
    return {name: meta[name] for name in ("how", "n_users", "n_items", "counts")}


def _graph(work: _Work) -> dict[str, Any]:
    return {"edges": build_graph(work.folder.split, work.folder.graph, progress=work.progress)}


def _train(work: _Work) -> dict[str, Any]:
    folder, options = work.folder, work.options
    _begin_anew_unless(folder.train, work.key)
    meta = json.loads((folder.split / META_FILE).read_text("utf-8"))
    settings = choose_settings(meta, options.seed, options.overrides)
    trained = train(
        folder.split,
        item_graph(read_graph(folder.graph)),
        folder.train,
        settings,
        device=work.device,
        budget_s=options.budget_s,
        progress=work.display.training,
    )
    return {name: trained.record[name] for name in ("device", "metric", "best")} | {
        "epochs": len(trained.record["epochs"])
    }


def _export(work: _Work) -> dict[str, Any]:
    folder = work.folder
    trained = load_trained(folder.split, item_graph(read_graph(folder.graph)), folder.train)
    exported = export_bundle(
        trained, folder.split, folder.bundles, weight_bits=work.options.weight_bits, progress=work.progress
    )
    return {"version": exported.version, "overlap_at_10": exported.fidelity.overlap_at_10}


def _evaluate(work: _Work) -> dict[str, Any]:
    folder = work.folder
    document = evaluate(
        folder.bundles,
        folder.split,
        seed=work.options.seed,
        baselines=work.options.baselines,
        progress=work.progress,
    )
    bundle = resolve(folder.bundles)
    record_metrics(bundle, read_manifest(bundle), document)
    folder.report.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return document


_STAGES: dict[str, Callable[[_Work], dict[str, Any]]] = {
    "ingest": _ingest,
    "split": _split,
    "graph": _graph,
    "train": _train,
    "export": _export,
    "evaluate": _evaluate,
}
_MARKERS: dict[str, Callable[[RunFolder], Path]] = {
    "ingest": lambda folder: folder.ingested / SUMMARY_FILE,
    "split": lambda folder: folder.split / META_FILE,
    "graph": lambda folder: folder.graph / GRAPH_FILE,
    "train": lambda folder: folder.train / HISTORY_FILE,
    "export": lambda folder: folder.bundles / "CURRENT",
    "evaluate": lambda folder: folder.report,
}


def _keys(spec: DatasetSpec, options: Options) -> dict[str, str]:
    """What each stage's outcome depends on: its options, and the stages before it."""
    own: dict[str, list[Any]] = {
        "ingest": [_VERSION, spec.toml.text, _files(spec), options.max_bad_share],
        "split": [options.split, options.seed],
        "graph": [],
        "train": [options.seed, options.overrides, options.budget_s],
        "export": [SCHEMA_VERSION, options.weight_bits],
        "evaluate": [options.baselines],
    }
    keys: dict[str, str] = {}
    before = ""
    for stage in STAGES:
        before = keys[stage] = key_of(before, own[stage])
    return keys


def _files(spec: DatasetSpec) -> list[Any]:
    """Name, size and time of change of every file that the data set names."""
    found: list[str] = []
    for table in (spec.events, spec.items, spec.users):
        if table is not None:
            found += find_files(spec.root, table.path, "")
    return [[name, *_state(Path(name))] for name in found if "://" not in name]


def _state(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


def _begin_anew_unless(train_folder: Path, key: str) -> None:
    """Empty the folder when its checkpoint belongs to other data or options."""
    path = train_folder / "key"
    if train_folder.exists() and not (path.exists() and path.read_text("utf-8") == key):
        shutil.rmtree(train_folder)
    train_folder.mkdir(parents=True, exist_ok=True)
    path.write_text(key, encoding="utf-8")


@contextmanager
def _timed(folder: RunFolder, stage: str, key: str) -> Any:
    started = time.monotonic()
    results: dict[str, Any] = {}
    yield results
    entry = {"key": key, "seconds": round(time.monotonic() - started, 2), "peak_memory_mb": _peak_memory_mb()}
    folder.note(stage, entry | {"results": results})


def _peak_memory_mb() -> int:
    """Of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak / (2**20 if sys.platform == "darwin" else 2**10))
