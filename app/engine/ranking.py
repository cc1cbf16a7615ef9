"""The ranker's place: it orders the union of candidates by their features. A bundle may have none."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.engine.candidates import Candidates
from app.engine.requests import RequestBatch


class Ranker(Protocol):
    """Gives every candidate a score from features of request and item."""

    def features(self, batch: RequestBatch, candidates: Candidates) -> NDArray[np.float32]:
        """Features `[batch, width, features]`."""
        ...

    def score(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores `[batch, width]`."""
        ...


def order_by(candidates: Candidates, scores: NDArray[np.float32]) -> Candidates:
    """The candidates sorted by descending score, empty places last; equal scores keep their order."""
    kept = np.where(candidates.rows > 0, scores, -np.inf).astype(np.float32)
    order = np.argsort(-kept, axis=1, kind="stable")
    return Candidates(
        rows=np.take_along_axis(candidates.rows, order, axis=1),
        scores=np.take_along_axis(kept, order, axis=1),
        sources=np.take_along_axis(candidates.sources, order, axis=1),
        query_vectors=candidates.query_vectors,
    )
