"""Evaluate a bundle on a split through the engine that serves it: what is measured is what is served."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from app.artifact.names import PADDING_ROW
from app.artifact.user_state import read_user_states
from app.engine.loading import load_snapshot
from app.engine.requests import ALL_STAGES, Stages
from app.engine.snapshot import Snapshot
from offline.dataset.split_meta import SplitMeta, read_split_meta
from offline.evaluation.baselines import ITEM_KNN, POPULARITY, Rankings, baseline_rankings
from offline.evaluation.candidate_recall import outcome
from offline.evaluation.figures import differences, flat, means
from offline.evaluation.graded import evaluate_graded
from offline.evaluation.metrics import DEPTH, parse_metric, table_of
from offline.evaluation.protocol import Cases, RowLists, event_counts, load_cases
from offline.evaluation.ranked import ranked
from offline.evaluation.requests import batch_of_cases, bundle_rows, mapped, split_rows
from offline.evaluation.search import evaluate_search
from offline.evaluation.secondary_metrics import further_figures
from offline.evaluation.slices import slice_figures
from offline.workspace.progress import Progress, silent

Document = dict[str, Any]

NOT_CAUSAL = (
    "the cut is not by time: events of other users after a held-out one were counted and learned from, which flatters "
    "whatever links events that lie close in time; split by time:0.8 for figures that only know the past"
)

BUNDLE = "bundle"
VECTOR = "vector"

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
    `ci95` (bootstrap over users), `n` users, `targets`, `lift_over_<baseline or variant>`: for each metric the
    `difference` of the same users and its `ci95`, and `more` (see `further_figures`); `baselines` by name and mask;
    `variants` likewise, with `vector`, the bundle without its ranker, where it has one; `slices` by mask (see
    `slice_figures`); `candidates` and `behaviours` (see `outcome`); and `notes` on how to read it.
    Targets outside the vocabulary count as never found. A ranking is `DEPTH` deep, and so is `mrr`. For the task
    graded_search the cases are queries (see `evaluate_graded`), for search pairs of a user and a query (see
    `evaluate_search`).

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
    meta = read_split_meta(split)
    metrics = list(dict.fromkeys(map(parse_metric, meta.metrics)))
    snapshot = load_snapshot(bundle, threads=0)
    if meta.task == "graded_search":
        graded = evaluate_graded(
            snapshot, split, metrics, seed=seed, stages=stages, baselines=baselines, progress=progress
        )
        described = {"dataset": _described(meta, "test"), "bundle": _bundle(snapshot, 0)}
        return {**described, **graded, "slices": {}}
    if meta.task == "search":
        searched, stored_users = evaluate_search(
            snapshot,
            split,
            part,
            list(dict.fromkeys(meta.mask)),
            metrics,
            seed=seed,
            stages=stages,
            baselines=baselines,
            progress=progress,
        )
        described = {"dataset": _described(meta, part), "bundle": _bundle(snapshot, stored_users)}
        searched["notes"] += _not_causal(meta)
        return {
            **described,
            **searched,
            "slices": {},
            **(outcome(snapshot, split, part, seed, progress) if stages.ranking else {}),
        }
    cases = load_cases(split, part)
    rows = bundle_rows(pl.read_parquet(split / "items.parquet").sort("row")["item_id"].to_list(), snapshot.items)
    requests, stored = batch_of_cases(cases, rows, read_user_states(snapshot.folder), snapshot.manifest.shapes.window)
    targets = mapped(cases.targets, rows)
    masks = list(dict.fromkeys(meta.mask))
    to_split = split_rows(rows, snapshot.items.count)

    def rankings_of(chosen: Stages) -> Rankings:
        hidden = {mask: mapped(cases.mask(mask), rows) for mask in masks}
        return {mask: to_split[ranked(snapshot, requests, hidden[mask], chosen, tell)] for mask in masks}

    ours = rankings_of(stages)
    without_ranker = replace(stages, ranking=False)
    has_variant = snapshot.ranker is not None and stages.ranking
    variants = {VECTOR: rankings_of(without_ranker)} if has_variant else {}
    beside = variants | (baseline_rankings(split, cases, masks, DEPTH, seed, progress) if baselines else {})
    tell(0, 1, "intervals")
    rng, further_rng = np.random.default_rng(seed), np.random.default_rng([seed, 1])
    counts = event_counts(split, part, meta.n_items)
    reports, slices = [], {}
    found: dict[str, Document] = {name: {} for name in beside}
    for mask in masks:
        together = {BUNDLE: ours[mask]} | {name: by_mask[mask] for name, by_mask in beside.items()}
        tables = {name: table_of(metrics, rows_of, cases.targets) for name, rows_of in together.items()}
        further = further_figures(metrics, together, cases, counts, further_rng)
        report = {"protocol": mask, **means(metrics, tables[BUNDLE], rng), **_counts(cases, targets)}
        for name in beside:
            report[f"lift_over_{name}"] = differences(metrics, tables[BUNDLE], tables[name], rng)
            found[name][mask] = {**flat(means(metrics, tables[name], rng)), "more": further[name]}
        reports.append(report | {"more": further[BUNDLE]})
        sliced = {name: together[name] for name in (BUNDLE, POPULARITY, ITEM_KNN) if name in together}
        slices[mask] = slice_figures(metrics, sliced, cases, counts, further_rng)
    tell(1, 1, "intervals")
    return {
        "dataset": _described(meta, part),
        "bundle": _bundle(snapshot, int(stored.sum())),
        "reports": reports,
        "baselines": {name: by_mask for name, by_mask in found.items() if name not in variants},
        "variants": {name: found[name] for name in variants},
        "slices": slices,
        **(outcome(snapshot, split, part, seed, progress) if stages.ranking else {}),
        "notes": _not_causal(meta),
    }


def _not_causal(meta: SplitMeta) -> list[str]:
    return [NOT_CAUSAL] if meta.has_time and not meta.by_time else []


def _described(meta: SplitMeta, part: str) -> Document:
    document = meta.document()
    kept = {name: document[name] for name in ("how", "task", "seed", "fingerprint")}
    return {"name": meta.dataset, "part": part, **kept, "items": meta.n_items, "counts": document["counts"]}


def _bundle(snapshot: Snapshot, users_with_stored_state: int) -> Document:
    kept = {name: getattr(snapshot.manifest, name) for name in ("version", "dataset", "data_fingerprint")}
    return {**kept, "users_with_stored_state": users_with_stored_state}


def _counts(cases: Cases, targets: RowLists) -> Document:
    return {
        "n": len(cases),
        "targets": len(targets.rows),
        "targets_on_unknown_items": int((targets.rows == PADDING_ROW).sum()),
    }
