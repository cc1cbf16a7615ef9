"""Users' histories as flat arrays, and the windows that the session encoder reads of them."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from app.artifact.columns import offsets_of


@dataclass(frozen=True)
class Histories:
    """The events of user `u` are `offsets[u]:offsets[u + 1]`, oldest first."""

    offsets: NDArray[np.int64]  # [users + 1]
    rows: NDArray[np.int32]  # [events] item rows, never 0
    types: NDArray[np.uint8]  # [events]
    times: NDArray[np.float64]  # [events] unix seconds, NaN when unknown

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """The number of events of each user, `[users]`."""
        return np.diff(self.offsets)

    def since(self, times: NDArray[np.float64]) -> "Histories":
        """The same histories without what happened up to a time of each user, `[users]`; minus infinity keeps all.

        Of a user with a time goes what has none itself.
        """
        until = np.repeat(times, self.lengths)
        kept = (until == -np.inf) | (self.times > until)
        counts = np.bincount(np.repeat(np.arange(len(self)), self.lengths)[kept], minlength=len(self))
        return Histories(offsets_of(counts), self.rows[kept], self.types[kept], self.times[kept])

    def windows(self, window: int) -> tuple[NDArray[np.int32], NDArray[np.uint8], NDArray[np.float64]]:
        """Rows, types and times of each user's last `window` events, `[users, window]`, newest at the right end."""
        index = self.offsets[1:, None] - window + np.arange(window)[None, :]
        return self.take(index, index >= self.offsets[:-1, None])

    def take(
        self, index: NDArray[np.int64], present: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int32], NDArray[np.uint8], NDArray[np.float64]]:
        """Rows, types and times of the events at flat indices, of any shape; padding where not present."""
        if not len(self.rows):
            return (
                np.zeros(index.shape, np.int32),
                np.zeros(index.shape, np.uint8),
                np.full(index.shape, np.nan),
            )
        safe = np.where(present, index, 0)
        return (
            np.where(present, self.rows[safe], 0),
            np.where(present, self.types[safe], 0),
            np.where(present, self.times[safe], np.nan),
        )


def histories_of(events: pl.DataFrame, users: int) -> Histories:
    """Histories from the rows of a split (columns user, item, type, time, order) on items of the vocabulary."""
    events = events.filter(pl.col("item") > 0).sort("user", "order")
    counts = np.bincount(events["user"].to_numpy(), minlength=users)
    return Histories(
        offsets=offsets_of(counts),
        rows=events["item"].to_numpy().astype(np.int32),
        types=events["type"].to_numpy().astype(np.uint8),
        times=events["time"].cast(pl.Float64).fill_null(float("nan")).to_numpy().astype(np.float64),
    )
