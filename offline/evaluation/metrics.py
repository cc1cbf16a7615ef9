"""Metrics of a full ranking, one value a user, so that intervals can be made of them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.artifact.names import PADDING_ROW
from offline.errors import DatasetError
from offline.evaluation.protocol import RowLists

DEPTH = 200
"""Items that a ranking holds."""

_NAME = re.compile(r"^(?P<kind>hr|recall|precision|ndcg|mrr|map)@(?P<k>[1-9][0-9]*)$")


@dataclass(frozen=True)
class Metric:
    """A kind of metric over the best `k` items."""

    kind: str
    k: int

    @property
    def name(self) -> str:
        """As it stands in reports: `ndcg@10`."""
        return f"{self.kind}@{self.k}"


def parse_metric(name: str, depth: int = DEPTH) -> Metric:
    """The metric of that name; `mrr` goes as deep as rankings do, and its name then says so.

    Raises:
        DatasetError: there is no such metric, or it looks deeper than `depth`.
    """
    if name == "mrr":
        return Metric("mrr", depth)
    match = _NAME.match(name)
    if match is None:
        raise DatasetError(
            f"expected hr@k, recall@k, precision@k, ndcg@k, mrr@k, map@k or mrr, got {name!r}: "
            "correct [evaluation] metrics"
        )
    if int(match["k"]) > depth:
        raise DatasetError(f"expected a metric over at most {depth} items, got {name}: choose a smaller k")
    return Metric(match["kind"], int(match["k"]))


def ndcg_or_first(names: Sequence[str]) -> str:
    """The first nDCG among the metrics of a split, or else its first metric."""
    return next((name for name in names if name.startswith("ndcg")), names[0])


def hits(ranked: NDArray[np.integer], targets: RowLists) -> NDArray[np.bool_]:
    """Where a ranking meets its user's targets, `[n, depth]`; row 0 never does.

    Args:
        ranked: item rows, best first, distinct but for the 0 that fills up, `[n, depth]`.
        targets: of the same users.
    """
    span = 1 + max(int(ranked.max(initial=0)), int(targets.rows.max(initial=0)))
    target_keys = np.sort(targets.lines() * span + targets.rows)
    if not len(target_keys):
        return np.zeros(ranked.shape, dtype=np.bool_)
    keys = np.arange(len(ranked))[:, None] * span + ranked
    index = np.minimum(np.searchsorted(target_keys, keys), len(target_keys) - 1)
    return np.asarray((target_keys[index] == keys) & (ranked != PADDING_ROW), dtype=np.bool_)


def values(metric: Metric, hit: NDArray[np.bool_], positives: NDArray[np.integer]) -> NDArray[np.float64]:
    """The metric of each user, `[n]`.

    NDCG has binary gain: DCG over the ideal DCG of min(k, positives) items (He et al., LightGCN), which is
    1 / log2(rank + 1) for a single held-out item. MAP divides by min(k, positives) too.

    Args:
        metric: which.
        hit: from `hits`, `[n, depth]`; a ranking shorter than k has no further hits.
        positives: targets of each user, unknown items included, at least 1, `[n]`.
    """
    top = hit[:, : metric.k]
    ranks = np.arange(1, top.shape[1] + 1)
    possible = np.minimum(positives, metric.k)
    metric_values: NDArray[np.float64]
    match metric.kind:
        case "hr":
            metric_values = np.asarray(top.any(axis=1), dtype=np.float64)
        case "recall":
            metric_values = np.asarray(top.sum(axis=1) / positives, dtype=np.float64)
        case "precision":
            metric_values = np.asarray(top.sum(axis=1) / metric.k, dtype=np.float64)
        case "ndcg":
            gains = 1.0 / np.log2(1.0 + np.arange(1, metric.k + 1))
            ideal = np.cumsum(gains)[possible - 1]
            metric_values = np.asarray(top @ gains[: top.shape[1]] / ideal)
        case "mrr":
            metric_values = np.asarray((top / ranks).max(axis=1, initial=0.0))
        case _:
            metric_values = np.asarray((top * np.cumsum(top, axis=1) / ranks).sum(axis=1) / possible)
    return metric_values


def table_of(metrics: list[Metric], ranked: NDArray[np.integer], targets: RowLists) -> NDArray[np.float64]:
    """The values of all metrics, `[n, metrics]`."""
    hit = hits(ranked, targets)
    return np.stack([values(metric, hit, targets.lengths()) for metric in metrics], axis=1)
