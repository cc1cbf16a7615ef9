"""Evaluate a bundle on a split through the engine that serves it: what is measured is what is served."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from app.artifact.names import PADDING_ROW
from app.artifact.user_state import read_user_states
from app.engine.recommend import recommend
from app.engine.requests import ALL_STAGES, RequestBatch, Stages, pad_rows
from app.engine.snapshot import Snapshot, load_snapshot
from offline.dataset.progress import Progress, silent
from offline.evaluation.baselines import baseline_rankings
from offline.evaluation.graded import evaluate_graded
from offline.evaluation.intervals import mean_intervals
from offline.evaluation.metrics import DEPTH, Metric, parse_metric, table_of
from offline.evaluation.protocol import Cases, RowLists, load_cases, read_meta
from offline.evaluation.requests import batch_of_cases, bundle_rows, mapped

Document = dict[str, Any]

NOT_CAUSAL = (
    "the cut is not by time: events of other users after a held-out one were counted and learned from, which flatters "
    "whatever links events that lie close in time; split by time:0.8 for figures that only know the past"
)

_BATCH = 256


def evaluate(
    bundle: Path,
    split: Path,
    *,
    part: str = "test",
    seed: int = 0,
    stages: Stages = ALL_STAGES,
    baselines: bool = True,
    progress: Progress | None = None,
) -> Document:
    """Rank the whole catalogue for every scored user, and compare with what simpler rankings reach.

    Returns a JSON document: `dataset`; `bundle`; `reports`, one for each mask of the split, with `metrics`, their
    `ci95` (bootstrap over users), `n` users, `targets`, and `lift_over_<baseline>`: for each metric the
    `difference` of the same users and its `ci95`; `baselines` by name and mask; and `notes` on how to read it.
    Targets outside the vocabulary count as never found. A ranking is `DEPTH` deep, and so is `mrr`. For the task
    graded_search the cases are queries (see `evaluate_graded`).

    Args:
        bundle: a bundle, or a store of bundles.
        split: folder of the split; items are matched by id.
        part: valid or test.
        seed: of the resamples, and of the users that baselines are tuned on.
        stages: which stages of the engine run.
        baselines: whether to rank by baselines too.
        progress: told how far it is.

    Raises:
        BundleError: the bundle cannot be served.
        DatasetError: nobody is scored in that part, or a metric or mask has no meaning.
        RunFolderError: there is no split.
    """
    tell = progress or silent
    meta = read_meta(split)
    metrics = list(dict.fromkeys(map(parse_metric, meta["metrics"])))
    snapshot = load_snapshot(bundle, threads=0)
    if meta["task"] == "graded_search":
        found = evaluate_graded(
            snapshot, split, metrics, seed=seed, stages=stages, baselines=baselines, progress=progress
        )
        return {"dataset": _described(meta, "test"), "bundle": _bundle(snapshot, 0), **found}
    cases = load_cases(split, part)
    rows = bundle_rows(pl.read_parquet(split / "items.parquet").sort("row")["item_id"].to_list(), snapshot.items)
    requests, stored = batch_of_cases(cases, rows, read_user_states(snapshot.folder), snapshot.manifest.shapes.window)
    targets = mapped(cases.targets, rows)
    masks = list(dict.fromkeys(meta["mask"]))
    ours = {
        mask: table_of(metrics, ranked(snapshot, requests, mapped(cases.mask(mask), rows), stages, tell), targets)
        for mask in masks
    }
    rankings = baseline_rankings(split, cases, masks, DEPTH, seed, progress) if baselines else {}
    theirs = {
        name: {mask: table_of(metrics, found[mask], cases.targets) for mask in masks}
        for name, found in rankings.items()
    }
    tell(0, 1, "intervals")
    rng = np.random.default_rng(seed)
    reports = []
    for mask in masks:
        report = {"protocol": mask, **_means(metrics, ours[mask], rng), **_counts(cases, targets)}
        for name, values in theirs.items():
            report[f"lift_over_{name}"] = _differences(metrics, ours[mask], values[mask], rng)
        reports.append(report)
    found_baselines = {
        name: {mask: _with_intervals(metrics, values[mask], rng) for mask in masks} for name, values in theirs.items()
    }
    tell(1, 1, "intervals")
    return {
        "dataset": _described(meta, part),
        "bundle": _bundle(snapshot, int(stored.sum())),
        "reports": reports,
        "baselines": found_baselines,
        "notes": [NOT_CAUSAL] if meta["has_time"] and not meta["how"].startswith("time:") else [],
    }


def ranked(
    snapshot: Snapshot, requests: RequestBatch, hidden: RowLists, stages: Stages, tell: Progress = silent
) -> NDArray[np.int64]:
    """The engine's answer to every request, best first, `[n, DEPTH]`, filled up with 0.

    Args:
        snapshot: the loaded bundle.
        requests: `n` requests.
        hidden: item rows of the bundle that each must not be answered with.
        stages: which stages of the engine run.
        tell: told of every batch.
    """
    found = np.full((len(requests), DEPTH), PADDING_ROW, dtype=np.int64)
    order = np.argsort(hidden.lengths(), kind="stable")  # so that lists padded together are about as long
    for start in range(0, len(order), _BATCH):
        tell(start, len(order), "ranking by the bundle")
        lines = order[start : start + _BATCH]
        batch = replace(
            requests.take(lines), exclude_rows=pad_rows([hidden.of(line).astype(np.int64) for line in lines])
        )
        answered = recommend(snapshot, batch, DEPTH, stages).rows
        found[lines, : answered.shape[1]] = answered
    tell(len(order), len(order), "ranking by the bundle")
    return found


def _described(meta: dict[str, Any], part: str) -> Document:
    kept = {name: meta[name] for name in ("how", "task", "seed", "fingerprint")}
    return {"name": meta["dataset"], "part": part, **kept, "items": meta["n_items"], "counts": meta["counts"]}


def _bundle(snapshot: Snapshot, users_with_stored_state: int) -> Document:
    kept = {name: getattr(snapshot.manifest, name) for name in ("version", "dataset", "data_fingerprint")}
    return {**kept, "users_with_stored_state": users_with_stored_state}


def _counts(cases: Cases, targets: RowLists) -> Document:
    return {
        "n": len(cases),
        "targets": len(targets.rows),
        "targets_on_unknown_items": int((targets.rows == PADDING_ROW).sum()),
    }


def _means(metrics: list[Metric], values: NDArray[np.float64], rng: np.random.Generator) -> Document:
    """Mean and interval of each column of `values`, `[n, metrics]`."""
    means, ends = values.mean(axis=0).tolist(), mean_intervals(values, rng).tolist()
    names = [metric.name for metric in metrics]
    return {"metrics": dict(zip(names, means, strict=True)), "ci95": dict(zip(names, ends, strict=True))}


def _with_intervals(metrics: list[Metric], values: NDArray[np.float64], rng: np.random.Generator) -> Document:
    found = _means(metrics, values, rng)
    return {**found["metrics"], "ci95": found["ci95"]}


def _differences(
    metrics: list[Metric], ours: NDArray[np.float64], theirs: NDArray[np.float64], rng: np.random.Generator
) -> Document:
    found = _means(metrics, ours - theirs, rng)
    return {
        metric.name: {"difference": found["metrics"][metric.name], "ci95": found["ci95"][metric.name]}
        for metric in metrics
    }
