"""Ablation: parts of a request that must not count in a score, so that their contribution can be measured."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.artifact.rank_features import CandidateList


@dataclass(frozen=True)
class Ablation:
    """What is taken out of the scores of each request, and which list its items are ranked within."""

    query: NDArray[np.bool_]  # [batch] whether the query is ignored
    popularity: NDArray[np.bool_]  # [batch] whether all items count as equally popular
    popularity_levels: NDArray[np.float32]  # [batch, popularity features] of every item where they do
    reference: CandidateList  # the full list of each request

    def of_requests(self, chosen: NDArray[np.bool_]) -> "Ablation":
        """The ablation of the chosen requests, `[batch]`."""
        return Ablation(
            self.query[chosen],
            self.popularity[chosen],
            self.popularity_levels[chosen],
            self.reference.of_requests(chosen),
        )

    def zero_query(self, columns: NDArray[np.float32], request_index: NDArray[np.int64]) -> None:
        """Set query features `[features, candidates]` to 0 where the query is ignored."""
        columns[:, self.query[request_index]] = 0.0

    def level_popularity(self, columns: NDArray[np.float32], request_index: NDArray[np.int64]) -> None:
        """Set popularity features `[features, candidates]` to the level where all items count as equally popular."""
        inside = self.popularity[request_index]
        columns[:, inside] = self.popularity_levels[request_index[inside]].T
