"""The engine's rankings of many requests, a batch after the other."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from app.artifact.names import PADDING_ROW
from app.engine.recommend import recommend
from app.engine.requests import RequestBatch, Stages, pad_rows
from app.engine.snapshot import Snapshot
from offline.evaluation.metrics import DEPTH
from offline.evaluation.protocol import RowLists
from offline.workspace.progress import Progress, silent

_BATCH = 256


def ranked(
    snapshot: Snapshot, requests: RequestBatch, hidden: RowLists, stages: Stages, tell: Progress = silent
) -> NDArray[np.int64]:
    """The engine's answer to every request, best first, `[n, DEPTH]`, filled up with 0.

    Args:
        snapshot: the loaded bundle.
        requests: `n` requests.
        hidden: item rows of the bundle that each must not be answered with.
        stages: which stages of the engine run.
        tell: told of every batch.
    """
    found = np.full((len(requests), DEPTH), PADDING_ROW, dtype=np.int64)
    order = np.argsort(hidden.lengths(), kind="stable")  # so that lists padded together are about as long
    for start in range(0, len(order), _BATCH):
        tell(start, len(order), "ranking by the bundle")
        lines = order[start : start + _BATCH]
        batch = replace(
            requests.take(lines), exclude_rows=pad_rows([hidden.of(line).astype(np.int64) for line in lines])
        )
        answered = recommend(snapshot, batch, DEPTH, stages).rows
        found[lines, : answered.shape[1]] = answered
    tell(len(order), len(order), "ranking by the bundle")
    return found
