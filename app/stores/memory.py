"""The store inside the process: the states that came with the bundle."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.artifact.user_state import UserStates
from app.stores.protocol import UserState


class MemoryUserStore:
    """States as of the bundle's cut.

    Args:
        states: the bundle's users.
        item_hashes: `[items + 1]`, the stable hash of the item in each row.
    """

    def __init__(self, states: UserStates, item_hashes: NDArray[np.uint64]) -> None:
        # Plain views of the mapped arrays: indexing a memmap costs several times as much.
        self._hashes = np.asarray(states.hashes)
        self._long_vectors = np.asarray(states.long_vectors)
        self._long_weights = np.asarray(states.long_weights)
        self._offsets = np.asarray(states.event_offsets)
        self._rows = np.asarray(states.event_rows)
        self._types = np.asarray(states.event_types)
        self._times = np.asarray(states.event_times)
        self._item_hashes = item_hashes

    async def fetch(self, user_hashes: Sequence[int]) -> list[UserState | None]:
        """The state of each user, `None` for an unknown one."""
        if not len(self._hashes):
            return [None] * len(user_hashes)
        wanted = np.array(user_hashes, dtype=np.uint64)
        places = np.minimum(np.searchsorted(self._hashes, wanted), len(self._hashes) - 1)
        found = self._hashes[places] == wanted
        starts, ends = self._offsets[places].tolist(), self._offsets[places + 1].tolist()
        vectors = self._long_vectors[places].astype(np.float32)
        weights = self._long_weights[places].tolist()
        return [
            UserState(
                vectors[line],
                weights[line],
                self._item_hashes[self._rows[start:end]],
                self._types[start:end],
                self._times[start:end],
            )
            if is_known
            else None
            for line, (is_known, start, end) in enumerate(zip(found.tolist(), starts, ends, strict=True))
        ]
