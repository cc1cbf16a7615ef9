"""The engine's rankings of many requests, a batch after the other."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from app.artifact.names import PADDING_ROW
from app.engine.recommend import recommend
from app.engine.requests import ALL_STAGES, RequestBatch, Stages, pad_rows
from app.engine.snapshot import Snapshot
from offline.errors import DatasetError
from offline.evaluation.graded_cases import break_ties
from offline.evaluation.metrics import DEPTH
from offline.evaluation.protocol import RowLists
from offline.evaluation.requests import text_requests
from offline.workspace.progress import Progress, silent

_BATCH = 256
_TEXT_BATCH = 64


def rank_requests(
    snapshot: Snapshot, requests: RequestBatch, exclude: RowLists, stages: Stages, progress: Progress = silent
) -> NDArray[np.int64]:
    """The engine's answer to every request, best first, `[n, DEPTH]`, filled up with 0.

    Args:
        snapshot: the loaded bundle.
        requests: `n` requests.
        exclude: rows of the bundle that each request must not be answered with.
        stages: which stages of the engine run.
        progress: called with every batch.
    """
    rankings = np.full((len(requests), DEPTH), PADDING_ROW, dtype=np.int64)
    order = np.argsort(exclude.lengths(), kind="stable")  # so that lists padded together are about as long
    for start in range(0, len(order), _BATCH):
        progress(start, len(order), "ranking by the bundle")
        index = order[start : start + _BATCH]
        excluded = pad_rows([exclude.of(request).astype(np.int64) for request in index])
        rows = recommend(snapshot, replace(requests.take(index), exclude_rows=excluded), DEPTH, stages).rows
        rankings[index, : rows.shape[1]] = rows
    progress(len(order), len(order), "ranking by the bundle")
    return rankings


def rank_texts(snapshot: Snapshot, texts: list[str], stages: Stages = ALL_STAGES) -> NDArray[np.int64]:
    """The engine's answer to every text of nobody, `[n, DEPTH]` rows of the bundle, best first, filled up with 0.

    Raises:
        DatasetError: the bundle reads no text.
    """
    if snapshot.search is None:
        raise DatasetError("expected a bundle that reads text, got none: train on a catalogue with titles or text")
    hashes = snapshot.items.hashes_by_row()
    rankings = np.full((len(texts), DEPTH), PADDING_ROW, dtype=np.int64)
    for start in range(0, len(texts), _TEXT_BATCH):
        batch = text_requests(snapshot, texts[start : start + _TEXT_BATCH])
        candidates = recommend(snapshot, batch, DEPTH, stages)
        rows = break_ties(candidates.rows, candidates.scores, hashes)
        rankings[start : start + len(rows), : rows.shape[1]] = rows
    return rankings
