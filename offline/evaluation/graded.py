"""Evaluate a graded search: each query as a vector against the whole catalogue, through the engine that serves."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from app.engine.recommend import recommend
from app.engine.requests import ALL_STAGES, RequestBatch, Stages
from app.engine.snapshot import Snapshot
from app.errors import DatasetError
from offline.dataset.progress import Progress, silent
from offline.evaluation.graded_cases import GradedCases, break_ties, graded_table, load_graded_cases
from offline.evaluation.intervals import mean_intervals
from offline.evaluation.metrics import DEPTH, Metric
from offline.evaluation.requests import bundle_rows, mapped
from offline.evaluation.tf_idf import TF_IDF, tf_idf_ranking

NOT_MASKED = "none"
SEMANTIC = (
    "queries are ranked by the vector of their text alone; items without a judgment count as not relevant, which "
    "favours rankings like those that the judged items were gathered by"
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
    """The `reports`, `baselines` and `notes` of the document that `evaluate` returns; cases are queries.

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
    tell(0, 2, "ranking by the bundle")
    ours = graded_table(metrics, ranked_by_text(snapshot, cases.queries, stages), ours_cases)
    theirs: dict[str, NDArray[np.float64]] = {}
    if baselines:
        tell(1, 2, "ranking by tf-idf")
        theirs[TF_IDF] = graded_table(metrics, tf_idf_ranking(items, cases.queries, DEPTH), cases)
    rng = np.random.default_rng(seed)
    report = {
        "protocol": NOT_MASKED,
        **_means(metrics, ours, rng),
        "n": len(cases),
        "targets": len(cases.relevant.rows),
        "targets_on_unknown_items": int((ours_cases.relevant.rows == 0).sum()),
        "queries_without_relevant_items": cases.unanswerable,
    }
    for name, values in theirs.items():
        found = _means(metrics, ours - values, rng)
        report[f"lift_over_{name}"] = {
            metric.name: {"difference": found["metrics"][metric.name], "ci95": found["ci95"][metric.name]}
            for metric in metrics
        }
    tell(2, 2, "ranked")
    return {
        "reports": [report],
        "baselines": {name: {NOT_MASKED: _flat(_means(metrics, values, rng))} for name, values in theirs.items()},
        "notes": [SEMANTIC],
    }


def ranked_by_text(snapshot: Snapshot, texts: list[str], stages: Stages = ALL_STAGES) -> NDArray[np.int64]:
    """The engine's answer to every text, `[n, DEPTH]` rows of the bundle, best first, filled up with 0.

    Raises:
        DatasetError: the bundle knows no words.
    """
    if snapshot.text_query is None:
        raise DatasetError("expected a bundle that reads text, found none: train on a catalogue with titles or text")
    hashes = snapshot.items.hashes_by_row()
    found = np.zeros((len(texts), DEPTH), dtype=np.int64)
    for start in range(0, len(texts), _BATCH):
        queries = snapshot.text_query.vectors_of(texts[start : start + _BATCH])
        answered = recommend(snapshot, text_requests(queries, snapshot.manifest.shapes.window), DEPTH, stages)
        rows = break_ties(answered.rows, answered.scores, hashes)
        found[start : start + len(rows), : rows.shape[1]] = rows
    return found


def text_requests(queries: NDArray[np.float32], window: int) -> RequestBatch:
    """Requests of nobody, with query vectors `[batch, dim]`; a vector of zeros says nothing."""
    size, dim = queries.shape
    return RequestBatch(
        now=np.full(size, np.nan),
        event_rows=np.zeros((size, window), dtype=np.int32),
        event_types=np.zeros((size, window), dtype=np.uint8),
        event_times=np.full((size, window), np.nan),
        long_vector=np.zeros((size, dim), dtype=np.float32),
        long_weight=np.zeros(size, dtype=np.float32),
        exclude_rows=np.zeros((size, 0), dtype=np.int64),
        given_query=queries,
        given=(queries != 0).any(axis=1),
    )


def _means(metrics: list[Metric], values: NDArray[np.float64], rng: np.random.Generator) -> dict[str, Any]:
    """Mean and interval of each column, resampled by query."""
    names = [metric.name for metric in metrics]
    means, ends = values.mean(axis=0).tolist(), mean_intervals(values, rng).tolist()
    return {"metrics": dict(zip(names, means, strict=True)), "ci95": dict(zip(names, ends, strict=True))}


def _flat(found: dict[str, Any]) -> dict[str, Any]:
    return {**found["metrics"], "ci95": found["ci95"]}
