"""What is reported of every ranking whatever the data set asks for: the usual metrics, and what it shows to whom."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offline.evaluation.exposure import exposure_of, mean_percentile, popularity_percentiles
from offline.evaluation.figures import means_of_all
from offline.evaluation.metrics import DEPTH, Metric, table_of
from offline.evaluation.protocol import Cases

USUAL = [Metric(kind, k) for k in (10, 20) for kind in ("hr", "recall", "precision", "ndcg")] + [Metric("mrr", DEPTH)]


def further_figures(
    named: list[Metric],
    rankings: Mapping[str, NDArray[np.integer]],
    cases: Cases,
    counts: NDArray[np.integer],
    rng: np.random.Generator,
) -> dict[str, dict[str, Any]]:
    """For each ranking `metrics` and `ci95` of the usual ones that are not `named`, and what `exposure_of` says.

    The mean popularity percentile of the targets, `target_popularity_percentile`, stands beside that of the answers.

    Args:
        named: metrics that the data set names; they are reported elsewhere.
        rankings: by name, in rows of the split, `[n, depth]`.
        cases: who is scored.
        counts: events of each item row before the cut, `[items + 1]`.
        rng: source of the resamples.
    """
    wanted = [metric for metric in USUAL if metric not in named]
    percentiles = popularity_percentiles(counts)
    of_targets = mean_percentile(cases.targets.rows, percentiles)
    tables = {name: table_of(wanted, ranked, cases.targets) for name, ranked in rankings.items()}
    figures = means_of_all(wanted, tables, rng)
    return {
        name: {
            **figures[name],
            **exposure_of(ranked, len(counts) - 1, percentiles),
            "target_popularity_percentile": of_targets,
        }
        for name, ranked in rankings.items()
    }
