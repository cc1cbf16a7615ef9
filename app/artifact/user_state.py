"""What is known of users as of a bundle's cut: it seeds the stores, and evaluation reads the same."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.artifact import names


@dataclass(frozen=True)
class UserStates:
    """Users by ascending stable hash; the events of user `u` are `offsets[u]:offsets[u + 1]`, oldest first.

    `long_vectors[u]` is the weighted sum of the vectors of the events older than the last `window` ones, and
    `long_weights[u]` the sum of the weights, so that newer events can be added without the older ones.
    """

    hashes: NDArray[np.uint64]  # [users]
    long_vectors: NDArray[np.float16]  # [users, dim]
    long_weights: NDArray[np.float32]  # [users]
    event_offsets: NDArray[np.int64]  # [users + 1]
    event_rows: NDArray[np.int32]  # [events] at most `window` a user
    event_types: NDArray[np.uint8]  # [events]
    event_times: NDArray[np.float64]  # [events] unix seconds, NaN when unknown

    def find(self, user_hash: int) -> int:
        """The index of a user, or -1."""
        place = int(np.searchsorted(self.hashes, np.uint64(user_hash)))
        return place if place < len(self.hashes) and int(self.hashes[place]) == user_hash else -1

    def write(self, folder: Path) -> None:
        """Write the arrays into the bundle in `folder`."""
        (folder / names.USER_HASHES).parent.mkdir(parents=True, exist_ok=True)
        for name, field in _FILES.items():
            np.save(folder / name, getattr(self, field))


_FILES = {
    names.USER_HASHES: "hashes",
    names.USER_LONG_VECTORS: "long_vectors",
    names.USER_LONG_WEIGHTS: "long_weights",
    names.USER_EVENT_OFFSETS: "event_offsets",
    names.USER_EVENT_ROWS: "event_rows",
    names.USER_EVENT_TYPES: "event_types",
    names.USER_EVENT_TIMES: "event_times",
}


def read_user_states(folder: Path) -> UserStates:
    """The user states of the bundle in `folder`, mapped into memory."""
    return UserStates(
        **{field: np.load(folder / name, mmap_mode="r", allow_pickle=False) for name, field in _FILES.items()}
    )
