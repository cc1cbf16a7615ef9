"""Evaluate a graded search: each query against the whole catalogue, through the engine that serves."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from app.engine.recommend import recommend
from app.engine.requests import ALL_STAGES, RequestBatch, Stages
from app.engine.snapshot import Snapshot
from offline.errors import DatasetError
from offline.evaluation.graded_cases import GradedCases, break_ties, graded_table, load_graded_cases
from offline.evaluation.intervals import mean_intervals
from offline.evaluation.metrics import DEPTH, Metric
from offline.evaluation.requests import bundle_rows, mapped
from offline.evaluation.tf_idf import TF_IDF, tf_idf_ranking
from offline.evaluation.typos import mistyped
from offline.workspace.progress import Progress, silent

NOT_MASKED = "none"
LEXICAL, SEMANTIC = "lexical", "semantic"
BUNDLE = "bundle"
UNJUDGED = (
    "items without a judgment count as not relevant, which favours rankings like those that the judged items were "
    "gathered by; figures with typos are of the same queries with one mistake each, drawn by the seed"
)
_BATCH = 64


def evaluate_graded(
    snapshot: Snapshot,
    split: Path,
    metrics: list[Metric],
    *,
    seed: int,
    stages: Stages,
    baselines: bool,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """The `reports`, `baselines`, `variants` and `notes` of the document that `evaluate` returns; cases are queries.

    Variants are words alone (`lexical`) and meaning alone (`semantic`); `typos` has the figures of all three where each
    query holds a typing mistake, and what share of the figure without mistakes that is.

    Args:
        snapshot: the loaded bundle.
        split: folder of the split; items are matched by id.
        metrics: what is measured.
        seed: of the resamples.
        stages: which stages of the engine run.
        baselines: whether to rank by tf-idf too.
        progress: told how far it is.

    Raises:
        DatasetError: no query has a judgment above 0, or the bundle knows no words.
        RunFolderError: the split holds no graded tables.
    """
    tell = progress or silent
    items = pl.read_parquet(split / "items.parquet").sort("row")
    item_ids = items["item_id"].to_list()
    cases = load_graded_cases(split, item_ids)
    rows = bundle_rows(item_ids, snapshot.items)
    ours_cases = GradedCases(cases.queries, mapped(cases.relevant, rows), cases.gains, cases.unanswerable)
    with_typo = mistyped(cases.queries, seed)
    ways = {BUNDLE: stages} | _variants(snapshot, stages)
    clean: dict[str, NDArray[np.float64]] = {}
    typed: dict[str, NDArray[np.float64]] = {}
    for number, (name, chosen) in enumerate(ways.items()):
        tell(number, len(ways) + 1, f"ranking by the {name}")
        clean[name] = graded_table(metrics, ranked_by_text(snapshot, cases.queries, chosen), ours_cases)
        typed[name] = graded_table(metrics, ranked_by_text(snapshot, with_typo, chosen), ours_cases)
    theirs: dict[str, NDArray[np.float64]] = {}
    if baselines:
        tell(len(ways), len(ways) + 1, "ranking by tf-idf")
        theirs[TF_IDF] = graded_table(metrics, tf_idf_ranking(items, cases.queries, DEPTH), cases)
    rng = np.random.default_rng(seed)
    report = {
        "protocol": NOT_MASKED,
        **_means(metrics, clean[BUNDLE], rng),
        "n": len(cases),
        "targets": len(cases.relevant.rows),
        "targets_on_unknown_items": int((ours_cases.relevant.rows == 0).sum()),
        "queries_without_relevant_items": cases.unanswerable,
    }
    for name, values in ({**clean, **theirs}).items():
        if name != BUNDLE:
            report[f"lift_over_{name}"] = _lift(metrics, clean[BUNDLE] - values, rng)
    tell(len(ways) + 1, len(ways) + 1, "ranked")
    return {
        "reports": [report],
        "baselines": {name: {NOT_MASKED: _flat(_means(metrics, values, rng))} for name, values in theirs.items()},
        "variants": {
            name: {NOT_MASKED: _flat(_means(metrics, values, rng))} for name, values in clean.items() if name != BUNDLE
        },
        "typos": {
            name: {**_means(metrics, values, rng), "share_of_clean": _shares(metrics, values, clean[name])}
            for name, values in typed.items()
        },
        "notes": [UNJUDGED],
    }


def _variants(snapshot: Snapshot, stages: Stages) -> dict[str, Stages]:
    """One source of candidates at a time, where there are two."""
    if snapshot.search is None or snapshot.search.lexical is None or snapshot.search.text_query is None:
        return {}
    if not (stages.lexical and stages.semantic):
        return {}
    return {LEXICAL: replace(stages, semantic=False), SEMANTIC: replace(stages, lexical=False)}


def ranked_by_text(snapshot: Snapshot, texts: list[str], stages: Stages = ALL_STAGES) -> NDArray[np.int64]:
    """The engine's answer to every text, `[n, DEPTH]` rows of the bundle, best first, filled up with 0.

    Raises:
        DatasetError: the bundle knows no words.
    """
    if snapshot.search is None:
        raise DatasetError("expected a bundle that reads text, got none: train on a catalogue with titles or text")
    hashes = snapshot.items.hashes_by_row()
    found = np.zeros((len(texts), DEPTH), dtype=np.int64)
    for start in range(0, len(texts), _BATCH):
        part = texts[start : start + _BATCH]
        batch = text_requests(snapshot, part)
        answered = recommend(snapshot, batch, DEPTH, stages)
        rows = break_ties(answered.rows, answered.scores, hashes)
        found[start : start + len(rows), : rows.shape[1]] = rows
    return found


def text_requests(snapshot: Snapshot, texts: list[str]) -> RequestBatch:
    """Requests of nobody, for a text each."""
    assert snapshot.search is not None  # noqa: S101 - refused above
    size, shapes = len(texts), snapshot.manifest.shapes
    return RequestBatch(
        now=np.full(size, np.nan),
        event_rows=np.zeros((size, shapes.window), dtype=np.int32),
        event_types=np.zeros((size, shapes.window), dtype=np.uint8),
        event_times=np.full((size, shapes.window), np.nan),
        long_vector=np.zeros((size, shapes.dim), dtype=np.float32),
        long_weight=np.zeros(size, dtype=np.float32),
        exclude_rows=np.zeros((size, 0), dtype=np.int64),
        matches=snapshot.search.matches(texts),
    )


def _lift(metrics: list[Metric], difference: NDArray[np.float64], rng: np.random.Generator) -> dict[str, Any]:
    found = _means(metrics, difference, rng)
    return {
        metric.name: {"difference": found["metrics"][metric.name], "ci95": found["ci95"][metric.name]}
        for metric in metrics
    }


def _shares(metrics: list[Metric], typed: NDArray[np.float64], clean: NDArray[np.float64]) -> dict[str, float]:
    """What mistakes leave of each metric."""
    shares = typed.mean(axis=0) / np.maximum(clean.mean(axis=0), 1e-12)
    return dict(zip((metric.name for metric in metrics), shares.tolist(), strict=True))


def _means(metrics: list[Metric], values: NDArray[np.float64], rng: np.random.Generator) -> dict[str, Any]:
    """Mean and interval of each column, resampled by query."""
    names = [metric.name for metric in metrics]
    means, ends = values.mean(axis=0).tolist(), mean_intervals(values, rng).tolist()
    return {"metrics": dict(zip(names, means, strict=True)), "ci95": dict(zip(names, ends, strict=True))}


def _flat(found: dict[str, Any]) -> dict[str, Any]:
    return {**found["metrics"], "ci95": found["ci95"]}
