"""Evaluate a bundle on a split through the engine that serves it: what is measured is what is served."""

from pathlib import Path

from app.engine.loading import load_snapshot
from app.engine.requests import ALL_STAGES, Stages
from offline.dataset.spec import QUERY_TASKS
from offline.dataset.split_meta import read_split_meta
from offline.evaluation.candidate_recall import candidate_figures
from offline.evaluation.context import EvaluationContext
from offline.evaluation.document import EvaluationDocument, Json
from offline.evaluation.graded import evaluate_graded
from offline.evaluation.metrics import parse_metric
from offline.evaluation.recommendations import evaluate_recommendations
from offline.evaluation.search import evaluate_search
from offline.workspace.progress import Progress, silent


def evaluate(
    bundle: Path,
    split: Path,
    *,
    part: str = "test",
    seed: int = 0,
    stages: Stages = ALL_STAGES,
    baselines: bool = True,
    progress: Progress | None = None,
) -> Json:
    """Rank the whole catalogue for every scored user, and compare with the rankings of simpler methods.

    For graded_search and own_words the cases are queries (see `evaluate_graded`), for search pairs of a user and a
    query (see `evaluate_search`). Targets outside the vocabulary count as never found. A ranking holds `DEPTH` items,
    and `mrr` looks as deep.

    Returns:
        The JSON form of an `EvaluationDocument`.

    Args:
        bundle: a bundle, or a store of bundles.
        split: folder of the split; items are matched by id.
        part: valid or test; graded search has queries of its own.
        seed: of the resamples, and of the users that baselines are tuned on.
        stages: which stages of the engine run.
        baselines: whether to rank by baselines too.
        progress: called with every step.

    Raises:
        BundleError: the bundle cannot be served.
        DatasetError: nobody is scored in that part, or a metric or mask has no meaning.
        RunFolderError: there is no split.
    """
    meta = read_split_meta(split)
    context = EvaluationContext(
        metrics=list(dict.fromkeys(map(parse_metric, meta.metrics))),
        snapshot=load_snapshot(bundle, threads=0),
        split=split,
        meta=meta,
        part="test" if meta.task in QUERY_TASKS else part,
        seed=seed,
        stages=stages,
        baselines=baselines,
        progress=progress or silent,
    )
    return _measure(context).json()


def _measure(context: EvaluationContext) -> EvaluationDocument:
    if context.meta.task in QUERY_TASKS:
        return evaluate_graded(context)
    document = evaluate_search(context) if context.meta.task == "search" else evaluate_recommendations(context)
    if not context.stages.ranking:
        return document
    recall, behaviours = candidate_figures(
        context.snapshot, context.split, context.part, context.seed, context.progress
    )
    return document.with_candidates(recall, behaviours)
