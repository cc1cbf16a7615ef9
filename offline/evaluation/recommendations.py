"""Evaluate recommendations: users of a part, with the bundle, the bundle without its ranker, and baselines."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from app.artifact.names import PADDING_ROW
from app.artifact.user_state import read_user_states
from app.engine.requests import Stages
from offline.dataset.absent import absent_rows_of
from offline.evaluation.baselines import baseline_rankings
from offline.evaluation.causality import causality_notes
from offline.evaluation.context import EvaluationContext
from offline.evaluation.document import (
    BUNDLE,
    ITEM_KNN,
    POPULARITY,
    TARGETS_ON_ABSENT,
    VECTOR,
    WITHOUT_HISTORY,
    EvaluationDocument,
    Lifts,
    RankingFigures,
    Report,
    SliceFigures,
)
from offline.evaluation.figures import lifts_of, means
from offline.evaluation.masked_ranking import Rankings
from offline.evaluation.metrics import DEPTH, table_of
from offline.evaluation.protocol import Cases, RowLists, event_counts, load_cases
from offline.evaluation.ranked import rank_requests
from offline.evaluation.requests import batch_of_cases, bundle_rows, map_rows, split_rows
from offline.evaluation.secondary_metrics import secondary_figures
from offline.evaluation.slices import slice_figures

NO_ORDER = (
    "the log has neither times nor positions, and the order of its rows counts for nothing: validation is drawn at "
    "random by the seed, and what network and ranker would read of an order or of ages is left out, for live users, "
    "too; hand over times or positions where there are any"
)
MOST_APART = 0.2
"""Between the shares of targets that their users had touched: further apart, validation is not like test."""


@dataclass(frozen=True)
class _ScoredBundle:
    """The rankings of the bundle and of its variants, in rows of the split."""

    rankings: Rankings
    variants: dict[str, Rankings]
    unknown_targets: int  # targets on items that the bundle lacks
    users_with_stored_state: int


@dataclass(frozen=True)
class _MaskFigures:
    """The blocks of the document for one mask."""

    report: Report
    others: dict[str, RankingFigures]  # by name of the variant or baseline
    slices: list[SliceFigures]


def evaluate_recommendations(context: EvaluationContext) -> EvaluationDocument:
    """Score the users of a part; there is a report, figures of baselines and variants, and slices for each mask.

    The variant `vector` is the bundle without its ranker, where it has one.
    """
    cases = load_cases(context.split, context.part)
    bundle = _rank_by_bundle(context, cases)
    baselines: dict[str, Rankings] = {}
    if context.baselines:
        baselines = baseline_rankings(context.split, cases, context.masks, DEPTH, context.seed, context.progress)
    context.progress(0, 1, "intervals")
    figures = _figures_by_mask(context, cases, bundle, bundle.variants | baselines)
    context.progress(1, 1, "intervals")

    def by_mask(name: str) -> dict[str, RankingFigures]:
        return {mask: figures[mask].others[name] for mask in context.masks}

    return EvaluationDocument(
        dataset=context.dataset_facts(),
        bundle=context.bundle_facts(bundle.users_with_stored_state),
        reports=[figures[mask].report for mask in context.masks],
        baselines={name: by_mask(name) for name in baselines},
        variants={name: by_mask(name) for name in bundle.variants},
        notes=split_notes(context),
        slices={mask: figures[mask].slices for mask in context.masks},
    )


def split_notes(context: EvaluationContext) -> list[str]:
    """What the reader should know of how the log was cut."""
    meta = context.meta
    notes = causality_notes(context.split, context.part) if meta.has_time and not meta.by_time else []
    if not meta.has_order:
        notes.append(NO_ORDER)
    shares = {}
    for part in ("valid", "test"):
        counts = meta.counts.get(part)
        if counts is not None and counts.targets:
            shares[part] = counts.targets_on_seen_items / counts.targets
    if len(shares) == 2 and abs(shares["valid"] - shares["test"]) > MOST_APART:
        notes.append(
            f"validation is not like test: its users had touched {shares['valid']:.0%} of what they are asked for, "
            f"those of test {shares['test']:.0%}, so that what is chosen by the one may not fit the other"
        )
    return notes


def absent_targets(split: Path, targets: RowLists) -> dict[str, int]:
    """How many targets are on items that the catalogue lacks, which no ranking answers; nothing where none is."""
    number = int(np.isin(targets.rows, absent_rows_of(split)).sum())
    return {TARGETS_ON_ABSENT: number} if number else {}


def _rank_by_bundle(context: EvaluationContext, cases: Cases) -> _ScoredBundle:
    snapshot, stages = context.snapshot, context.stages
    item_ids = pl.read_parquet(context.split / "items.parquet").sort("row")["item_id"].to_list()
    rows = bundle_rows(item_ids, snapshot.items)
    states = read_user_states(snapshot.folder)
    requests, has_stored_state = batch_of_cases(cases, rows, states, snapshot.manifest.shapes.window)
    to_split = split_rows(rows, snapshot.items.last_row)
    exclude = {mask: map_rows(cases.mask(mask), rows) for mask in context.masks}

    def rankings(chosen: Stages) -> Rankings:
        return {
            mask: to_split[rank_requests(snapshot, requests, exclude[mask], chosen, context.progress)]
            for mask in context.masks
        }

    has_ranking = snapshot.ranker is not None and stages.ranking
    return _ScoredBundle(
        rankings=rankings(stages),
        variants={VECTOR: rankings(replace(stages, ranking=False))} if has_ranking else {},
        unknown_targets=int((map_rows(cases.targets, rows).rows == PADDING_ROW).sum()),
        users_with_stored_state=int(has_stored_state.sum()),
    )


def _figures_by_mask(
    context: EvaluationContext, cases: Cases, bundle: _ScoredBundle, others: Mapping[str, Rankings]
) -> dict[str, _MaskFigures]:
    rng, secondary_rng = np.random.default_rng(context.seed), np.random.default_rng([context.seed, 1])
    counts = event_counts(context.split, context.part, context.meta.n_items)
    totals = {
        "n": len(cases),
        "targets": len(cases.targets.rows),
        "targets_on_unknown_items": bundle.unknown_targets,
        WITHOUT_HISTORY: int((cases.history.lengths() == 0).sum()),
        **absent_targets(context.split, cases.targets),
    }
    figures = {}
    for mask in context.masks:
        rankings = {BUNDLE: bundle.rankings[mask]} | {name: by_mask[mask] for name, by_mask in others.items()}
        tables = {name: table_of(context.metrics, ranking, cases.targets) for name, ranking in rankings.items()}
        secondary = secondary_figures(context.metrics, rankings, cases, counts, secondary_rng)
        bundle_means = means(context.metrics, tables[BUNDLE], rng)
        lifts: dict[str, Lifts] = {}
        other_figures = {}
        for name in others:
            lifts[name] = lifts_of(means(context.metrics, tables[BUNDLE] - tables[name], rng))
            other_figures[name] = RankingFigures(means(context.metrics, tables[name], rng), secondary[name])
        figures[mask] = _MaskFigures(
            report=Report(mask, bundle_means, totals, lifts, secondary[BUNDLE]),
            others=other_figures,
            slices=_slices(context, rankings, cases, counts, secondary_rng),
        )
    return figures


def _slices(
    context: EvaluationContext,
    rankings: dict[str, NDArray[np.int32]],
    cases: Cases,
    counts: NDArray[np.int64],
    rng: np.random.Generator,
) -> list[SliceFigures]:
    """The slices compare the bundle with popularity and item-kNN alone."""
    compared: dict[str, NDArray[np.int32]] = {
        name: rankings[name] for name in (BUNDLE, POPULARITY, ITEM_KNN) if name in rankings
    }
    return slice_figures(context.metrics, compared, cases, counts, rng)
