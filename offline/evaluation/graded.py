"""Evaluate a graded search: each query against the whole catalogue, through the engine that serves."""

from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from app.artifact.names import PADDING_ROW
from app.engine.requests import Stages
from app.engine.snapshot import Snapshot
from offline.dataset.spec import GRADED_SEARCH
from offline.dataset.split_meta import SplitMeta
from offline.evaluation.context import EvaluationContext
from offline.evaluation.document import (
    BUNDLE,
    LEXICAL,
    SEMANTIC,
    TF_IDF,
    EvaluationDocument,
    RankingFigures,
    Report,
    TypoFigures,
)
from offline.evaluation.figures import lifts_of, means
from offline.evaluation.graded_cases import GradedCases, graded_table, load_graded_cases
from offline.evaluation.metrics import DEPTH, Metric
from offline.evaluation.ranked import rank_texts
from offline.evaluation.requests import bundle_rows, map_rows
from offline.evaluation.tf_idf import tf_idf_ranking
from offline.evaluation.typos import add_typos

NOT_MASKED = "none"
UNJUDGED = (
    "items without a judgment count as not relevant, which favours rankings like those that the judged items were "
    "gathered by; figures with typos are of the same queries with one mistake each, drawn by the seed"
)

OWN = (
    "there are no events and no judged queries, so that queries are made of items' own words, up to three of a title "
    "and its other texts, and only the item that they come from counts (and those of the same title): they say "
    "whether items are found by their words, with and without typing mistakes, and nothing of what shoppers like"
)


def _own_words(meta: SplitMeta) -> str:
    """What the figures of a catalogue alone say."""
    if meta.held_items:
        return f"{OWN}; training learned from no query of the {meta.held_items} items that are asked about"
    return f"{OWN}; training has seen these items, since there are too few to set some aside"


_Tables = dict[str, NDArray[np.float64]]  # `[n, metrics]` by name of the ranking


def evaluate_graded(context: EvaluationContext) -> EvaluationDocument:
    """Score the queries of a graded search; there is one report, since nothing is hidden.

    Variants are words alone (`lexical`) and meaning alone (`semantic`); `typos` has the figures of all three where each
    query holds a typing mistake, and the share that is left of the figure without mistakes. The baseline is tf-idf.

    Raises:
        DatasetError: no query has a judgment above 0, or the bundle reads no text.
        RunFolderError: the split holds no graded tables.
    """
    metrics, rng = context.metrics, np.random.default_rng(context.seed)
    items = pl.read_parquet(context.split / "items.parquet").sort("row")
    item_ids = items["item_id"].to_list()
    cases = load_graded_cases(context.split, item_ids)
    rows = bundle_rows(item_ids, context.snapshot.items)
    bundle_cases = replace(cases, relevant=map_rows(cases.relevant, rows))
    clean, with_typos = _bundle_tables(context, bundle_cases)
    baselines = _baseline_tables(context, items, cases, len(clean))
    report = _report(metrics, clean, baselines, bundle_cases, rng)
    context.progress(len(clean) + 1, len(clean) + 1, "ranked")
    return EvaluationDocument(
        dataset=context.dataset_facts(),
        bundle=context.bundle_facts(0),
        reports=[report],
        baselines=_rankings(metrics, baselines, rng),
        variants=_rankings(metrics, {name: table for name, table in clean.items() if name != BUNDLE}, rng),
        typos={
            name: TypoFigures(means(metrics, table, rng), _shares(metrics, table, clean[name]))
            for name, table in with_typos.items()
        },
        notes=[UNJUDGED] if context.meta.task == GRADED_SEARCH else [_own_words(context.meta)],
        slices={},
    )


def _bundle_tables(context: EvaluationContext, cases: GradedCases) -> tuple[_Tables, _Tables]:
    """The values of the bundle and of its variants, without and with typing mistakes."""
    snapshot, metrics = context.snapshot, context.metrics
    typos = add_typos(cases.queries, context.seed)
    rankings = {BUNDLE: context.stages} | _variants(snapshot, context.stages)
    clean: _Tables = {}
    with_typos: _Tables = {}
    for number, (name, stages) in enumerate(rankings.items()):
        context.progress(number, len(rankings) + 1, f"ranking by the {name}")
        clean[name] = graded_table(metrics, rank_texts(snapshot, cases.queries, stages), cases)
        with_typos[name] = graded_table(metrics, rank_texts(snapshot, typos, stages), cases)
    return clean, with_typos


def _baseline_tables(context: EvaluationContext, items: pl.DataFrame, cases: GradedCases, finished: int) -> _Tables:
    if not context.baselines:
        return {}
    context.progress(finished, finished + 1, "ranking by tf-idf")
    return {TF_IDF: graded_table(context.metrics, tf_idf_ranking(items, cases.queries, DEPTH), cases)}


def _report(
    metrics: list[Metric], clean: _Tables, baselines: _Tables, cases: GradedCases, rng: np.random.Generator
) -> Report:
    bundle_means = means(metrics, clean[BUNDLE], rng)
    others = {name: table for name, table in (clean | baselines).items() if name != BUNDLE}
    return Report(
        mask=NOT_MASKED,
        means=bundle_means,
        counts={
            "n": len(cases),
            "targets": len(cases.relevant.rows),
            "targets_on_unknown_items": int((cases.relevant.rows == PADDING_ROW).sum()),
            "queries_without_relevant_items": cases.unanswerable,
        },
        lifts={name: lifts_of(means(metrics, clean[BUNDLE] - table, rng)) for name, table in others.items()},
    )


def _rankings(metrics: list[Metric], tables: _Tables, rng: np.random.Generator) -> dict[str, dict[str, RankingFigures]]:
    return {name: {NOT_MASKED: RankingFigures(means(metrics, table, rng))} for name, table in tables.items()}


def _variants(snapshot: Snapshot, stages: Stages) -> dict[str, Stages]:
    """One source of candidates at a time, where there are two."""
    if snapshot.search is None or snapshot.search.lexical is None or snapshot.search.text_query is None:
        return {}
    if not (stages.lexical and stages.semantic):
        return {}
    return {LEXICAL: replace(stages, semantic=False), SEMANTIC: replace(stages, lexical=False)}


def _shares(metrics: list[Metric], with_typos: NDArray[np.float64], clean: NDArray[np.float64]) -> dict[str, float]:
    """The share of each metric that is left with typing mistakes."""
    shares = with_typos.mean(axis=0) / np.maximum(clean.mean(axis=0), 1e-12)
    return dict(zip((metric.name for metric in metrics), shares.tolist(), strict=True))
