"""Evaluate a search: the query alone, the user alone, and both, on the same pairs of a user and a query."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from app.artifact.user_state import read_user_states
from app.engine.requests import RequestBatch, Stages
from app.engine.snapshot import Snapshot
from offline.evaluation.baselines import baseline_rankings
from offline.evaluation.graded import text_requests
from offline.evaluation.intervals import cluster_intervals
from offline.evaluation.metrics import DEPTH, Metric, table_of
from offline.evaluation.protocol import RowLists
from offline.evaluation.ranked import ranked
from offline.evaluation.requests import batch_of_cases, bundle_rows, mapped, split_rows
from offline.evaluation.search_cases import SearchCases, load_search_cases
from offline.workspace.progress import Progress, silent

BUNDLE, QUERY_ALONE, USER_ALONE = "bundle", "query_alone", "user_alone"
WHOLE_QUERIES = (
    "intervals resample whole queries: what was bought after one query is much alike, so that a few queries with many "
    "buyers decide a mean"
)


def search_requests(
    snapshot: Snapshot, split: Path, found: SearchCases
) -> tuple[dict[str, RequestBatch], NDArray[np.bool_], NDArray[np.int32]]:
    """The cases as requests: with query and user (`bundle`), with the query alone, and with the user alone.

    Returns:
        The requests by name; whether a user's stored state was used `[n]`; and `bundle_rows` of the split.
    """
    item_ids = pl.read_parquet(split / "items.parquet", columns=["row", "item_id"]).sort("row")["item_id"].to_list()
    rows = bundle_rows(item_ids, snapshot.items)
    window = snapshot.manifest.shapes.window
    users, stored = batch_of_cases(found.cases, rows, read_user_states(snapshot.folder), window)
    if snapshot.search is None:
        return {BUNDLE: users, USER_ALONE: users}, stored, rows
    together = replace(users, matches=snapshot.search.matches(found.queries))
    return {BUNDLE: together, QUERY_ALONE: text_requests(snapshot, found.queries), USER_ALONE: users}, stored, rows


def evaluate_search(
    snapshot: Snapshot,
    split: Path,
    part: str,
    masks: list[str],
    metrics: list[Metric],
    *,
    seed: int,
    stages: Stages,
    baselines: bool,
    progress: Progress | None = None,
) -> tuple[dict[str, Any], int]:
    """The `reports`, `baselines`, `variants` and `notes` of the document that `evaluate` returns, and how many states
    of the bundle were used.

    Cases are pairs of a user and a query; variants are `query_alone` and `user_alone`. Baselines know the user alone.
    A report counts `queries`, and of the cases those whose query is new (`new_queries`) to train.

    Args:
        snapshot: the loaded bundle.
        split: folder of the split; items are matched by id.
        part: valid or test.
        masks: protocols, a report each.
        metrics: what is measured.
        seed: of the resamples, and of the users that baselines are tuned on.
        stages: which stages of the engine run.
        baselines: whether to rank by baselines too.
        progress: told how far it is.
    """
    tell = progress or silent
    found = load_search_cases(split, part)
    requests, stored, rows = search_requests(snapshot, split, found)
    to_split = split_rows(rows, snapshot.items.count)
    simple = baseline_rankings(split, found.cases, masks, DEPTH, seed, progress) if baselines else {}
    rng = np.random.default_rng(seed)
    reports: list[dict[str, Any]] = []
    variants: dict[str, dict[str, Any]] = {name: {} for name in requests if name != BUNDLE}
    others: dict[str, dict[str, Any]] = {name: {} for name in simple}
    targets = mapped(found.cases.targets, rows)
    for mask in masks:
        hidden = mapped(found.cases.mask(mask), rows)
        lists = {name: to_split[ranked(snapshot, batch, hidden, stages, tell)] for name, batch in requests.items()}
        lists |= {name: by_mask[mask] for name, by_mask in simple.items()}
        tables = {name: table_of(metrics, rows_of, found.cases.targets) for name, rows_of in lists.items()}
        report = {"protocol": mask, **_figures(metrics, tables[BUNDLE], found, rng), **_counts(found, targets)}
        for name in (*variants, *others):
            lift = _figures(metrics, tables[BUNDLE] - tables[name], found, rng)
            report[f"lift_over_{name}"] = {
                metric: {"difference": value, "ci95": lift["ci95"][metric]} for metric, value in lift["metrics"].items()
            }
            figures = _figures(metrics, tables[name], found, rng)
            (variants if name in variants else others)[name][mask] = {**figures["metrics"], "ci95": figures["ci95"]}
        reports.append(report)
    document = {"reports": reports, "baselines": others, "variants": variants, "notes": [WHOLE_QUERIES]}
    return document, int(stored.sum())


def _figures(
    metrics: list[Metric], values: NDArray[np.float64], found: SearchCases, rng: np.random.Generator
) -> dict[str, Any]:
    names = [metric.name for metric in metrics]
    ends = cluster_intervals(values, found.number, rng).tolist()
    return {
        "metrics": dict(zip(names, values.mean(axis=0).tolist(), strict=True)),
        "ci95": dict(zip(names, ends, strict=True)),
    }


def _counts(found: SearchCases, targets: RowLists) -> dict[str, int]:
    return {
        "n": len(found),
        "queries": len(np.unique(found.number)),
        "new_queries": int(found.new.sum()),
        "targets": len(targets.rows),
        "targets_on_unknown_items": int((targets.rows == 0).sum()),
    }
