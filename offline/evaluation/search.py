"""Evaluate a search: the query alone, the user alone, and both, on the same pairs of a user and a query."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from app.artifact.names import PADDING_ROW
from app.artifact.user_state import read_user_states
from app.engine.requests import RequestBatch
from app.engine.snapshot import Snapshot
from offline.evaluation.baselines import baseline_rankings
from offline.evaluation.context import EvaluationContext
from offline.evaluation.document import (
    BUNDLE,
    QUERY_ALONE,
    USER_ALONE,
    WITHOUT_HISTORY,
    EvaluationDocument,
    Lifts,
    RankingFigures,
    Report,
)
from offline.evaluation.figures import lifts_of, means
from offline.evaluation.masked_ranking import Rankings
from offline.evaluation.metrics import DEPTH, table_of
from offline.evaluation.protocol import RowLists
from offline.evaluation.query_baselines import query_rankings
from offline.evaluation.ranked import rank_requests
from offline.evaluation.recommendations import absent_targets, split_notes
from offline.evaluation.requests import batch_of_cases, bundle_rows, map_rows, split_rows, text_requests
from offline.evaluation.search_cases import SearchCases, load_search_cases

WHOLE_QUERIES = (
    "intervals resample whole queries: what was bought after one query is much alike, so that a few queries with many "
    "buyers decide a mean"
)


def search_requests(
    snapshot: Snapshot, split: Path, pairs: SearchCases
) -> tuple[dict[str, RequestBatch], NDArray[np.bool_], NDArray[np.int32]]:
    """The cases as requests: with query and user (`bundle`), with the query alone, and with the user alone.

    Returns:
        The requests by name; whether a user's stored state was used `[n]`; and `bundle_rows` of the split.
    """
    item_ids = pl.read_parquet(split / "items.parquet", columns=["row", "item_id"]).sort("row")["item_id"].to_list()
    rows = bundle_rows(item_ids, snapshot.items)
    window = snapshot.manifest.shapes.window
    users, has_stored_state = batch_of_cases(pairs.cases, rows, read_user_states(snapshot.folder), window)
    if snapshot.search is None:
        return {BUNDLE: users, USER_ALONE: users}, has_stored_state, rows
    both = replace(users, matches=snapshot.search.matches(pairs.queries))
    requests = {BUNDLE: both, QUERY_ALONE: text_requests(snapshot, pairs.queries), USER_ALONE: users}
    return requests, has_stored_state, rows


def evaluate_search(context: EvaluationContext) -> EvaluationDocument:
    """Score pairs of a user and a query; there is a report, and figures of baselines and variants, for each mask.

    Variants are `query_alone` and `user_alone`. Baselines know the user, the query, or both. A report counts
    `queries`, and the cases whose query is new to train (`new_queries`).
    """
    pairs = load_search_cases(context.split, context.part)
    requests, has_stored_state, rows = search_requests(context.snapshot, context.split, pairs)
    baselines: dict[str, Rankings] = {}
    if context.baselines:
        baselines = baseline_rankings(context.split, pairs.cases, context.masks, DEPTH, context.seed, context.progress)
        baselines |= query_rankings(context.split, pairs, context.masks, baselines, context.progress)
    rng = np.random.default_rng(context.seed)
    reports = {}
    others: dict[str, dict[str, RankingFigures]] = {}
    for mask in context.masks:
        rankings = _rankings(context, pairs, requests, rows, mask)
        rankings |= {name: by_mask[mask] for name, by_mask in baselines.items()}
        reports[mask], figures = _report(context, pairs, mask, rankings, map_rows(pairs.cases.targets, rows), rng)
        for name, ranking_figures in figures.items():
            others.setdefault(name, {})[mask] = ranking_figures
    return EvaluationDocument(
        dataset=context.dataset_facts(),
        bundle=context.bundle_facts(int(has_stored_state.sum())),
        reports=list(reports.values()),
        baselines={name: others[name] for name in baselines},
        variants={name: others[name] for name in requests if name != BUNDLE},
        notes=[WHOLE_QUERIES, *split_notes(context)],
        slices={},
    )


def _rankings(
    context: EvaluationContext,
    pairs: SearchCases,
    requests: Mapping[str, RequestBatch],
    rows: NDArray[np.int32],
    mask: str,
) -> dict[str, NDArray[np.int32]]:
    """The rankings of the bundle and of its variants under a mask, in rows of the split."""
    snapshot, to_split = context.snapshot, split_rows(rows, context.snapshot.items.last_row)
    exclude = map_rows(pairs.cases.mask(mask), rows)
    return {
        name: to_split[rank_requests(snapshot, batch, exclude, context.stages, context.progress)]
        for name, batch in requests.items()
    }


def _report(
    context: EvaluationContext,
    pairs: SearchCases,
    mask: str,
    rankings: Mapping[str, NDArray[np.int32]],
    targets: RowLists,
    rng: np.random.Generator,
) -> tuple[Report, dict[str, RankingFigures]]:
    """The report of a mask, and the figures of all other rankings under it."""
    metrics, queries = context.metrics, pairs.number
    tables = {name: table_of(metrics, ranking, pairs.cases.targets) for name, ranking in rankings.items()}
    bundle_means = means(metrics, tables[BUNDLE], rng, queries)
    lifts: dict[str, Lifts] = {}
    others = {}
    for name in (name for name in rankings if name != BUNDLE):
        lifts[name] = lifts_of(means(metrics, tables[BUNDLE] - tables[name], rng, queries))
        others[name] = RankingFigures(means(metrics, tables[name], rng, queries))
    return Report(
        mask, bundle_means, _counts(pairs, targets) | absent_targets(context.split, pairs.cases.targets), lifts
    ), others


def _counts(pairs: SearchCases, targets: RowLists) -> dict[str, int]:
    return {
        "n": len(pairs),
        "queries": len(np.unique(pairs.number)),
        "new_queries": int(pairs.new.sum()),
        "targets": len(targets.rows),
        "targets_on_unknown_items": int((targets.rows == PADDING_ROW).sum()),
        WITHOUT_HISTORY: int((pairs.cases.history.lengths() == 0).sum()),
    }
