"""One run of the job, stage by stage; reads as a table of contents."""

import json
import resource
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from app.artifact.bundle_store import resolve
from app.artifact.manifest import read_manifest
from app.artifact.names import RANK_GRAPH, SCHEMA_VERSION
from app.engine.loading import load_snapshot
from offline.compress.apply import apply_compression, load_compressed
from offline.compress.choice import COMPRESS_FILE, MAX_LOSS, read_choice
from offline.compress.compress import compress
from offline.dataset.reading import find_files
from offline.dataset.spec import DatasetSpec, load_spec
from offline.errors import InputError, RunFolderError
from offline.evaluation.evaluate import evaluate
from offline.evaluation.protocol import validates
from offline.evaluation.timings import timings_of
from offline.export.bundle import export_bundle, record_metrics
from offline.graph.build import GRAPH_FILE, build_graph, check_graph, item_graph, read_graph
from offline.ingest.ingest import SUMMARY_FILE, ingest
from offline.online_metrics.figures import ONLINE_WINDOW_S, evaluate_online
from offline.online_metrics.logs import was_collected
from offline.ranking.search_weights import fit_search, read_fitted
from offline.ranking.train_ranker import HISTORY_FILE as RANKER_HISTORY
from offline.ranking.train_ranker import feature_groups, no_ranker, train_ranker
from offline.report.render import write_report
from offline.split.fresh_valid import keep_fresh_valid
from offline.split.split import META_FILE, split
from offline.split.withhold import Withhold, withhold
from offline.training import refit as refitting
from offline.training.progress import TrainProgress
from offline.training.refit import refit
from offline.training.settings import check_switches, choose_settings, has_content
from offline.training.train import train
from offline.training.trained import HISTORY_FILE, Trained, load_trained, save_trained
from offline.training.warm_start import WarmStart, plan_warm_start
from offline.workspace.atomic import write_json
from offline.workspace.progress import Progress
from offline.workspace.run_folder import RunFolder, key_of
from offline.workspace.run_folder_errors import run_folder_errors
from offline.workspace.storage_errors import storage_errors

STAGES = ("ingest", "split", "graph", "train", "compress", "rank", "refit", "export", "evaluate", "report")
_VERSION = 7
"""Part of every stage's key: raise it when a stage writes something else than before."""


@dataclass(frozen=True)
class Options:
    """What a run is asked for besides its data."""

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


def run(data: Path, folder: RunFolder, options: Options, display: Display, upto: str = STAGES[-1]) -> dict[str, Any]:
    """All stages, or those up to one; what was done before with the same data and options is left as it is.

    Returns:
        The evaluation of the exported bundle; of fewer stages, the results of the last one that was not done before.

    Raises:
        AisleError: of the stage that cannot go on.
    """
    with storage_errors(folder.path), folder.locked():
        stages = STAGES[: STAGES.index(upto) + 1]
        stages = tuple(name for name in stages if options.refit or name != "refit")
        return _run(data, folder, options, display, stages, again=False)


def run_stage(stage: str, data: Path, folder: RunFolder, options: Options, display: Display) -> dict[str, Any]:
    """One stage, whether it was done before or not. The stages before it must be done.

    Raises:
        AisleError: the stage cannot go on.
    """
    with storage_errors(folder.path), folder.locked():
        _refuse_other_versions(folder, STAGES[: STAGES.index(stage)])
        return _run(data, folder, options, display, (stage,), again=True)


def _refuse_other_versions(folder: RunFolder, stages: Sequence[str]) -> None:
    """Refuse what a stage could not read.

    Raises:
        RunFolderError: one of the stages was done by code that writes something else.
    """
    record = folder.record()
    for name in stages:
        if name in record and record[name].get("version") != _VERSION:
            raise RunFolderError(
                f"{folder.path}: expected the stage {name} of this version of Aisle ({_VERSION}), got one of version "
                f"{record[name].get('version')}: `aisle-offline run` does it anew, and all that follows"
            )


def choose_device(wanted: str) -> torch.device:
    """The device of that name; `auto` takes CUDA where there is one.

    Raises:
        InputError: there is no such device here.
    """
    if wanted not in ("auto", "cpu", "cuda"):
        raise InputError(f"expected --device auto, cpu or cuda, got {wanted!r}: choose one")
    if wanted == "cuda" and not torch.cuda.is_available():
        raise InputError("expected a CUDA device for --device cuda, got none: use --device cpu or auto")
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
        with run_folder_errors(folder), _timed(folder, name, keys[name]) as results:
            results.update(_STAGES[name](_Work(spec, folder, options, device, display, keys[name])))
            outcome = results
    if not again and stages[-1] == STAGES[-1]:
        with run_folder_errors(folder):
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
    options, folder = work.options, work.folder
    out = folder.whole if options.withhold else folder.split
    meta = split(folder.ingested, out, work.spec, options.seed, options.split, progress=work.progress)
    if options.withhold:
        withhold(folder.whole, folder.split, options.withhold, options.seed)
    if options.warm_from is not None and not str(meta["how"]).startswith("time:"):
        earlier = RunFolder(options.warm_from).split
        if (earlier / META_FILE).exists():
            keep_fresh_valid(folder.split, earlier)
    return {name: meta[name] for name in ("how", "n_users", "n_items", "counts")}


def _graph(work: _Work) -> dict[str, Any]:
    without = check_switches(work.options.without)
    edges = build_graph(work.folder.split, work.folder.graph, without=without, progress=work.progress)
    return {"edges": edges}


def _train(work: _Work) -> dict[str, Any]:
    folder, options = work.folder, work.options
    _begin_anew_unless(folder.train, work.key)
    meta = json.loads((folder.split / META_FILE).read_text("utf-8"))
    graph = item_graph(read_graph(folder.graph))
    settings = choose_settings(
        meta, options.seed, options.overrides, content=has_content(graph), without=options.without
    )
    check_graph(folder.graph, settings.without)
    warm = WarmStart(settings, None, {})
    if options.warm_from is not None:
        warm = plan_warm_start(RunFolder(options.warm_from), folder, graph, settings, options.warm_epochs)
    trained = train(
        folder.split,
        graph,
        folder.train,
        warm.settings,
        device=work.device,
        budget_s=options.budget_s,
        progress=work.display.training,
        begin=warm.begin,
    )
    return {name: trained.record[name] for name in ("device", "metric", "best")} | {
        "epochs": len(trained.record["epochs"]),
        **({"start": warm.told} if warm.told else {}),
    }


def _compress(work: _Work) -> dict[str, Any]:
    folder, options = work.folder, work.options
    _begin_anew_unless(folder.compress, work.key)
    choice = compress(
        load_trained(folder.split, item_graph(read_graph(folder.graph)), folder.train),
        folder.split,
        folder.compress,
        weight_bits=options.weight_bits,
        max_loss=options.max_loss,
        device=work.device,
        progress=work.progress,
    )
    return {"variant": choice.variant, "users": choice.users, "variants": len(choice.table)}


def _rank(work: _Work) -> dict[str, Any]:
    """The ranker learns what retrieval was not told: the bundle behind it knows train, and its labels are valid."""
    folder, options = work.folder, work.options
    if not validates(folder.split):
        no_ranker(folder.rank, "nobody is validated")
        return {"ranker": None}
    exported = export_bundle(
        load_compressed(folder.split, item_graph(read_graph(folder.graph)), folder.train, folder.compress),
        folder.split,
        folder.rank_bundle,
        folder.graph,
        parts=("train",),
        weight_bits=read_choice(folder.compress).recipe.weight_bits,
        progress=work.progress,
    )
    snapshot = load_snapshot(exported.folder, threads=0)
    found = train_ranker(snapshot, folder.split, folder.rank, seed=options.seed, progress=work.progress)
    search = fit_search(snapshot, folder.split, folder.rank, seed=options.seed, progress=work.progress)
    shutil.rmtree(folder.rank_bundle)
    return {
        "ranker": None if found is None else asdict(found),
        **({} if search is None else {"search": asdict(search)}),
    }


def _refit(work: _Work) -> dict[str, Any]:
    """The final network, with the compression that was chosen on the first one."""
    folder = work.folder
    if not validates(folder.split):  # the first training saw all there is
        shutil.rmtree(folder.refit, ignore_errors=True)
        return {"epochs": 0}
    _begin_anew_unless(folder.refit, work.key)
    trained = refit(
        folder.split,
        folder.train,
        folder.refit,
        device=work.device,
        progress=work.progress,
        training=work.display.training,
    )
    cut = apply_compression(trained, folder.split, read_choice(folder.compress), refitting.PARTS, device=work.device)
    save_trained(cut, folder.refit / refitting.FINAL)
    return {"epochs": len(trained.record["epochs"])}


def _final_network(folder: RunFolder, *, refit: bool) -> tuple[Path, Trained]:
    """The folder of the graph, and the network that the bundle is made of."""
    final = folder.refit / refitting.FINAL
    if refit and (final / HISTORY_FILE).exists():
        graph = folder.refit / refitting.GRAPH
        return graph, load_trained(folder.split, item_graph(read_graph(graph)), final)
    first = item_graph(read_graph(folder.graph))
    return folder.graph, load_compressed(folder.split, first, folder.train, folder.compress)


def _export(work: _Work) -> dict[str, Any]:
    folder = work.folder
    choice = read_choice(folder.compress)
    graph, trained = _final_network(folder, refit=work.options.refit)
    exported = export_bundle(
        trained,
        folder.split,
        folder.bundles,
        graph,
        ranker=folder.rank if (folder.rank / RANK_GRAPH).exists() else None,
        search=read_fitted(folder.rank),
        weight_bits=choice.recipe.weight_bits,
        compression=choice.table,
        progress=work.progress,
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
    manifest = read_manifest(bundle)
    document["timings"] = timings_of(folder.record(), manifest)
    document["feature_groups"] = feature_groups(folder.rank)
    record_metrics(bundle, manifest, document)
    write_json(folder.report, document)
    return document


def _report(work: _Work) -> dict[str, Any]:
    if was_collected(work.spec.root):
        document = evaluate_online(work.spec.root, ONLINE_WINDOW_S, seed=work.options.seed)
        write_json(work.folder.live, document)
    else:
        work.folder.live.unlink(missing_ok=True)
    return {"page": work.folder.page.name, "verdict": write_report(work.folder).decision}


_STAGES: dict[str, Callable[[_Work], dict[str, Any]]] = {
    "ingest": _ingest,
    "split": _split,
    "graph": _graph,
    "train": _train,
    "compress": _compress,
    "rank": _rank,
    "refit": _refit,
    "export": _export,
    "evaluate": _evaluate,
    "report": _report,
}
_MARKERS: dict[str, Callable[[RunFolder], Path]] = {
    "ingest": lambda folder: folder.ingested / SUMMARY_FILE,
    "split": lambda folder: folder.split / META_FILE,
    "graph": lambda folder: folder.graph / GRAPH_FILE,
    "train": lambda folder: folder.train / HISTORY_FILE,
    "compress": lambda folder: folder.compress / COMPRESS_FILE,
    "rank": lambda folder: folder.rank / RANKER_HISTORY,
    "refit": lambda folder: folder.path,
    "export": lambda folder: folder.bundles / "CURRENT",
    "evaluate": lambda folder: folder.report,
    "report": lambda folder: folder.page,
}


def _keys(spec: DatasetSpec, options: Options) -> dict[str, str]:
    """What each stage's outcome depends on: its options, and the stages before it."""
    own: dict[str, list[Any]] = {
        "ingest": [_VERSION, spec.toml.text, _files(spec), options.max_bad_share],
        "split": [
            options.split,
            options.seed,
            *([asdict(options.withhold)] if options.withhold else []),
            *_warm(options),
        ],
        "graph": [options.without],
        "train": [options.seed, options.overrides, options.budget_s, *_warm(options)],
        "compress": [options.weight_bits, options.max_loss],
        "rank": [4],
        "refit": [options.refit],
        "export": [SCHEMA_VERSION],
        "evaluate": [options.baselines],
        "report": [],
    }
    keys: dict[str, str] = {}
    before = ""
    for stage in STAGES:
        before = keys[stage] = key_of(before, own[stage])
    return keys


def _warm(options: Options) -> list[Any]:
    return [] if options.warm_from is None else [str(options.warm_from), options.warm_epochs]


def data_key(spec: DatasetSpec) -> str:
    """Changes with the files that a data set names, its description, and the schema of bundles."""
    return key_of(SCHEMA_VERSION, spec.toml.text, _files(spec))


def _files(spec: DatasetSpec) -> list[Any]:
    """Name, size and time of change of every file that the data set names."""
    found: list[str] = []
    for table in (spec.events, spec.items, spec.users):
        if table is not None:
            found += find_files(spec.root, table.path, "")
    if spec.evaluation.task == "graded_search":
        found += find_files(spec.root, (spec.evaluation.queries, spec.evaluation.judgments), "")
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
    entry: dict[str, Any] = {"key": key, "version": _VERSION}
    entry |= {"seconds": round(time.monotonic() - started, 2), "peak_memory_mb": _peak_memory_mb()}
    folder.note(stage, entry | {"results": results})


def _peak_memory_mb() -> int:
    """Of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak / (2**20 if sys.platform == "darwin" else 2**10))
