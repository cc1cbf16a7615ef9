"""The metric of ranked candidate lists, for the ranker and for the order of a search alike."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from offline.evaluation.metrics import DEPTH, Metric, table_of
from offline.evaluation.protocol import RowLists


class CandidateLists(Protocol):
    """Candidates of several lists one after another, with the targets of each list."""

    @property
    def rows(self) -> NDArray[np.int64]:
        """`[candidates]` item rows."""
        ...

    @property
    def offsets(self) -> NDArray[np.int64]:
        """`[lists + 1]` where each list begins."""
        ...

    @property
    def targets(self) -> RowLists:
        """The targets of each list, whether they are among its candidates or not."""
        ...

    def __len__(self) -> int:
        """How many lists."""
        ...

    def lines(self) -> NDArray[np.int64]:
        """`[candidates]` the list of each candidate."""
        ...


def list_metric(metric: Metric, lists: CandidateLists, scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """`[lists]` the metric of every list ordered by `scores` `[candidates]`; a target without candidate is missed."""
    ranked = np.zeros((len(lists), DEPTH), dtype=np.int64)
    lines = lists.lines()
    order = np.lexsort((lists.rows, -scores, lines))
    position = np.arange(len(order)) - lists.offsets[lines[order]]
    kept = position < DEPTH
    ranked[lines[order][kept], position[kept]] = lists.rows[order][kept]
    return table_of([metric], ranked, lists.targets)[:, 0]
