"""What must not count in a score, so that it can be told what it gave."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.artifact.rank_features import CandidateList


@dataclass(frozen=True)
class Muted:
    """Of each request, whether its query counts for nothing, whether all items count as equally popular, and which
    list an item is compared with.
    """

    query: NDArray[np.bool_]  # [batch]
    popularity: NDArray[np.bool_]  # [batch]
    levels: NDArray[np.float32]  # [batch, popularity features] what every item has then
    among: CandidateList  # the whole list of each

    def of(self, kept: NDArray[np.bool_]) -> "Muted":
        """Those of the requests that are `kept`, `[batch]`."""
        return Muted(self.query[kept], self.popularity[kept], self.levels[kept], self.among.of_lines(kept))

    def silence(self, columns: NDArray[np.float32], lines: NDArray[np.int64]) -> None:
        """Set what features `[features of the query, candidates]` say to nothing; `lines` are the requests of each."""
        columns[:, self.query[lines]] = 0.0

    def level(self, columns: NDArray[np.float32], lines: NDArray[np.int64]) -> None:
        """Make popularity features `[popularity features, candidates]` alike; `lines` are the requests of each."""
        here = self.popularity[lines]
        columns[:, here] = self.levels[lines[here]].T
