"""Online figures: CTR, cart rate, conversion and MRR of each version, with intervals."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from offline.evaluation.intervals import cluster_intervals
from offline.online_metrics.attribution import attribute
from offline.online_metrics.compare import comparisons_of, warnings_of
from offline.online_metrics.logs import read_events, read_searches, read_shown

MEANINGS = {
    "ctr": "answers with a click",
    "cart_rate": "answers with an item that was put into a cart",
    "conversion": "answers with an item that was purchased",
    "mrr": "1 / rank of the highest clicked item, 0 without a click",
}
"""Means over answers, in the order of tables. The first event of an answer on an item is a click on it."""

LABELS = {"ctr": "CTR", "cart_rate": "cart rate", "conversion": "conversion", "mrr": "MRR"}
"""The names of the metrics for people."""

ONLINE_WINDOW_S = 1_800.0
"""How long after an answer an event counts for it by default, here and in the service."""

_DECIMALS = 6
_RANKS = 20  # of the curve by rank


def evaluate_online(logs: Path, window_s: float, last_s: float | None = None, seed: int = 0) -> dict[str, Any]:
    """Return the online figures of a collected data set.

    Args:
        logs: folder that `collect` writes into.
        window_s: how long after an answer an event may belong to it.
        last_s: count only the answers of so many seconds before the newest one.
        seed: draws the resamples of the intervals.

    Raises:
        RunFolderError: no impressions were collected there.
        DatasetError: `dataset.toml` cannot be read.
    """
    shown, searches = read_shown(logs), read_searches(logs)
    if last_s is not None and shown.height:
        since = shown.select(pl.col("at").max() - last_s).item()
        shown, searches = (table.filter(pl.col("at") > since) for table in (shown, searches))
    attributed = attribute(shown, read_events(logs), window_s)
    answers = _answers(shown, attributed.of_answers)
    names = answers.group_by("version").agg(pl.col("at").max()).sort("at", "version").get_column("version")
    versions = [
        _version(answers.filter(version=name), name, seed) | _empty_searches(searches.filter(version=name))
        for name in names
    ]
    return {
        "window_s": window_s,
        "answers": answers.height,
        "events": attributed.counts,
        "versions": versions,
        "comparisons": comparisons_of(answers, versions, list(MEANINGS), seed),
        "warnings": warnings_of(versions),
        "by_rank": _by_rank(shown, attributed.of_answers),
    }


def _answers(shown: pl.DataFrame, of_answers: pl.DataFrame) -> pl.DataFrame:
    """Return the answers with the values of their metrics and the cluster of each."""
    outcome = of_answers.group_by("answer").agg(
        cart_rate=(pl.col("type") == "cart").any(),
        conversion=(pl.col("type") == "purchase").any(),
        mrr=1.0 / pl.col("rank").min(),
        clicked=pl.col("item").n_unique(),
    )
    joined = shown.join(outcome, on="answer", how="left", maintain_order="left")
    return joined.with_columns(
        pl.col("cart_rate", "conversion").fill_null(value=False).cast(pl.Float64),
        pl.col("mrr").fill_null(0.0),
        pl.col("clicked").fill_null(0),
        ctr=pl.col("clicked").is_not_null().cast(pl.Float64),
        shown_items=pl.col("items").list.len(),
        # The answers to one person are one cluster; an answer to nobody in particular is a cluster of its own.
        cluster=pl.coalesce("person", pl.concat_str(pl.lit("nobody "), "answer")).rank("dense").cast(pl.Int64),
    )


def _version(answers: pl.DataFrame, name: str, seed: int) -> dict[str, Any]:
    values = answers.select(*MEANINGS).to_numpy()
    clusters = answers.get_column("cluster").to_numpy()
    ends = cluster_intervals(values, clusters, np.random.default_rng(seed))
    times = answers.get_column("at").to_numpy()
    return {
        "version": name,
        "from": float(times.min()),
        "to": float(times.max()),
        "answers": answers.height,
        "clusters": len(np.unique(clusters)),  # people, and answers to nobody in particular
        "answers_with_click": int(answers.get_column("ctr").sum()),
        "people": answers.get_column("person").n_unique() - int(answers.get_column("person").has_nulls()),
        "shown_items": int(answers.get_column("shown_items").sum()),
        "clicks": int(answers.get_column("clicked").sum()),
        "metrics": {
            metric: round(float(mean), _DECIMALS) for metric, mean in zip(MEANINGS, values.mean(0), strict=True)
        },
        "ci95": {
            metric: [round(float(low), _DECIMALS), round(float(high), _DECIMALS)]
            for metric, (low, high) in zip(MEANINGS, ends, strict=True)
        },
    }


def _empty_searches(searches: pl.DataFrame) -> dict[str, Any]:
    """Return how many queries were answered, and how many of them had nothing to show."""
    return {"searches": searches.height, "searches_without_items": searches.filter(pl.col("total") == 0).height}


def _by_rank(shown: pl.DataFrame, of_answers: pl.DataFrame) -> list[dict[str, Any]]:
    """Return how often items were shown and clicked at each of the first ranks, which shows the effect of the rank."""
    first = shown.get_column("first_rank").to_numpy()
    last = first + shown.get_column("items").list.len().to_numpy() - 1
    clicked = of_answers.unique(["answer", "item"]).get_column("rank").to_numpy()
    rows = [
        {
            "rank": rank,
            "shown": int(np.count_nonzero((first <= rank) & (rank <= last))),
            "clicked": int(np.count_nonzero(clicked == rank)),
        }
        for rank in range(1, _RANKS + 1)
    ]
    return [row for row in rows if row["shown"]]
