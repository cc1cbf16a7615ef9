"""What is reported of every ranking whatever the data set asks for: the usual metrics, and what it shows to whom."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from offline.evaluation.document import SecondaryFigures
from offline.evaluation.exposure import exposure_of, mean_percentile, popularity_percentiles
from offline.evaluation.figures import means_of_all
from offline.evaluation.metrics import DEPTH, Metric, table_of
from offline.evaluation.protocol import Cases

USUAL_METRICS = [
    *(Metric(kind, k) for k in (10, 20) for kind in ("hr", "recall", "precision", "ndcg")),
    Metric("mrr", DEPTH),
]


def secondary_figures(
    primary: list[Metric],
    rankings: Mapping[str, NDArray[np.integer]],
    cases: Cases,
    counts: NDArray[np.integer],
    rng: np.random.Generator,
) -> dict[str, SecondaryFigures]:
    """For each ranking the usual metrics that are not `primary`, and what `exposure_of` measures.

    The mean popularity percentile of the targets, `target_popularity_percentile`, stands next to that of the answers.

    Args:
        primary: metrics of the data set, which are reported elsewhere.
        rankings: by name, in rows of the split, `[n, depth]`.
        cases: who is scored.
        counts: events of each item row before the cut, `[items + 1]`.
        rng: source of the resamples.
    """
    metrics = [metric for metric in USUAL_METRICS if metric not in primary]
    percentiles = popularity_percentiles(counts)
    of_targets = mean_percentile(cases.targets.rows, percentiles)
    tables = {name: table_of(metrics, ranking, cases.targets) for name, ranking in rankings.items()}
    figures = means_of_all(metrics, tables, rng)
    return {
        name: SecondaryFigures(
            figures[name],
            {**exposure_of(ranking, len(counts) - 1, percentiles), "target_popularity_percentile": of_targets},
        )
        for name, ranking in rankings.items()
    }
