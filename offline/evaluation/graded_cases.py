"""Graded search: queries with what each item is worth to them, and the metrics of rankings of the whole catalogue."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from app.artifact.columns import offsets_of
from app.artifact.names import PADDING_ROW
from offline.errors import DatasetError, RunFolderError
from offline.evaluation.metrics import Metric, hits, values
from offline.evaluation.protocol import RowLists
from offline.split.graded import GRADED_FILES


@dataclass(frozen=True)
class GradedCases:
    """`n` queries that have something relevant. Rows are those of the split; 0 is an item outside the catalogue."""

    queries: list[str]  # [n]
    relevant: RowLists  # items of positive relevance, each once
    gains: NDArray[np.float64]  # beside `relevant.rows`
    unanswerable: int  # queries left out, since nothing is relevant to them

    def __len__(self) -> int:
        return len(self.queries)


def load_graded_cases(split: Path, item_ids: Sequence[str]) -> GradedCases:
    """The queries of the split, ordered by id. Of several judgments of a query and an item the highest counts.

    Args:
        split: folder of the split.
        item_ids: the split's items in the order of their rows, from 1.

    Raises:
        DatasetError: no query has a judgment above 0.
        RunFolderError: the split holds no graded tables.
    """
    try:
        queries, judgments = (pl.read_parquet(split / name) for name in GRADED_FILES)
    except FileNotFoundError as error:
        raise RunFolderError(
            f"{split}: expected {' and '.join(GRADED_FILES)} for the task graded_search, got no "
            f"{error.filename}: split again"
        ) from None
    rows = pl.DataFrame({"item_id": list(item_ids), "row": np.arange(1, len(item_ids) + 1, dtype=np.int32)})
    texts = queries.unique("query_id", keep="first", maintain_order=True).sort("query_id")
    positive = (
        judgments.filter(pl.col("relevance") > 0)
        .group_by("query_id", "item_id")
        .agg(pl.col("relevance").max())
        .join(rows, on="item_id", how="left")
        .join(texts, on="query_id", how="inner")
        .sort("query_id", "row", "item_id")
    )
    answerable = texts.join(positive, on="query_id", how="semi", maintain_order="left")
    if answerable.is_empty():
        raise DatasetError(
            "expected a query with a judgment above 0, got none: look at [evaluation] queries and judgments"
        )
    lengths = positive.group_by("query_id", maintain_order=True).len()["len"].to_numpy()
    return GradedCases(
        queries=answerable["query"].to_list(),
        relevant=RowLists(
            offsets_of(lengths),
            positive["row"].fill_null(PADDING_ROW).to_numpy().astype(np.int32),
        ),
        gains=positive["relevance"].to_numpy().astype(np.float64),
        unanswerable=texts.height - answerable.height,
    )


def graded_table(metrics: Sequence[Metric], ranked: NDArray[np.integer], cases: GradedCases) -> NDArray[np.float64]:
    """The values of all metrics, `[n, metrics]`.

    NDCG has linear gain: the sum of relevance / log2(1 + rank) over the best k, by that of the best possible order
    (Järvelin and Kekäläinen 2002, with the logarithm from rank 1 on). Unjudged items are worth 0. For the other
    metrics an item is relevant or not.

    Args:
        metrics: which.
        ranked: item rows, best first, filled up with 0, `[n, depth]`.
        cases: the queries.
    """
    hit = hits(ranked, cases.relevant)
    positives = cases.relevant.lengths()
    columns = [
        _ndcg(metric.k, ranked, cases) if metric.kind == "ndcg" else values(metric, hit, positives)
        for metric in metrics
    ]
    return np.stack(columns, axis=1)


def _ndcg(k: int, ranked: NDArray[np.integer], cases: GradedCases) -> NDArray[np.float64]:
    discounts = 1.0 / np.log2(1.0 + np.arange(1, k + 1))
    ndcg = np.zeros(len(cases))
    for line in range(len(cases)):
        inside = slice(int(cases.relevant.offsets[line]), int(cases.relevant.offsets[line + 1]))
        rows, gains = cases.relevant.rows[inside], cases.gains[inside]
        relevance = {int(row): float(gain) for row, gain in zip(rows, gains, strict=True) if row != PADDING_ROW}
        gained = np.array([relevance.get(int(row), 0.0) for row in ranked[line, :k]])
        ideal = -np.sort(-gains)[:k]
        ndcg[line] = (gained @ discounts[: len(gained)]) / (ideal @ discounts[: len(ideal)])
    return ndcg


def break_ties(
    ranked: NDArray[np.int64], scores: NDArray[np.floating], item_hashes: NDArray[np.uint64]
) -> NDArray[np.int64]:
    """The rankings with items of equal score ordered by a fixed hash of their id, so that no order of rows shows.

    Args:
        ranked: rows, best first, filled up with 0, `[n, depth]`.
        scores: beside `ranked`.
        item_hashes: stable hashes of the ids by row, `[items + 1]`.
    """
    hashes = item_hashes[ranked]
    real = np.where(ranked != PADDING_ROW, scores, -np.inf)
    order = np.lexsort((hashes, -real), axis=1)
    return np.take_along_axis(ranked, order, axis=1)
