"""What must not count in a score, so that it can be told what it gave."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Muted:
    """Of each request, whether its query counts for nothing, and whether all items count as equally popular."""

    query: NDArray[np.bool_]  # [batch]
    popularity: NDArray[np.bool_]  # [batch]
    levels: NDArray[np.float32]  # [batch, popularity features] what every item has then

    def take(self, lines: NDArray[np.int64]) -> "Muted":
        """Those of the chosen requests."""
        return Muted(self.query[lines], self.popularity[lines], self.levels[lines])

    def silence(self, columns: NDArray[np.float32], lines: NDArray[np.int64]) -> None:
        """Set what features `[features of the query, candidates]` say to nothing; `lines` are the requests of each."""
        columns[:, self.query[lines]] = 0.0

    def level(self, columns: NDArray[np.float32], lines: NDArray[np.int64]) -> None:
        """Make popularity features `[popularity features, candidates]` alike; `lines` are the requests of each."""
        here = self.popularity[lines]
        columns[:, here] = self.levels[lines[here]].T
