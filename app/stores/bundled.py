"""The states that came with a bundle: what the memory store begins with, and what answers when Redis is gone."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.artifact.user_state import UserStates
from app.stores.state import Hidden, UserState, Wanted


class BundledStates:
    """States as of the bundle's cut; read only.

    Args:
        states: the bundle's users.
        item_hashes: `[items + 1]`, the stable hash of the item in each row.
    """

    def __init__(self, states: UserStates, item_hashes: NDArray[np.uint64]) -> None:
        self.states = states
        self.item_hashes = item_hashes

    def fetch(self, wanted: Sequence[Wanted]) -> list[UserState | None]:
        """The state of each user, `None` for an unknown one."""
        states = self.states
        if not len(states.hashes):
            return [None] * len(wanted)
        hashes = np.array([each.user_hash for each in wanted], dtype=np.uint64)
        places = np.minimum(np.searchsorted(states.hashes, hashes), len(states.hashes) - 1)
        found = (states.hashes[places] == hashes).tolist()
        starts, ends = states.event_offsets[places].tolist(), states.event_offsets[places + 1].tolist()
        vectors = states.long_vectors_of(places)
        weights = states.long_weights[places].tolist()
        return [
            UserState(
                vectors[line] if weights[line] > 0 else None,
                weights[line],
                self.item_hashes[states.event_rows[start:end]],
                states.event_types[start:end],
                states.event_times[start:end],
                self._hidden(place, each.hidden),
            )
            if is_known
            else None
            for line, (each, is_known, place, start, end) in enumerate(
                zip(wanted, found, places.tolist(), starts, ends, strict=True)
            )
        ]

    def _hidden(self, place: int, hidden: Hidden) -> NDArray[np.uint64] | None:
        return None if hidden is Hidden.NONE else self.hidden_of(place, hidden)

    def hidden_of(self, place: int, hidden: Hidden) -> NDArray[np.uint64]:
        """The items seen or purchased by the user of that index, as hashes."""
        states = self.states
        part = slice(int(states.seen_offsets[place]), int(states.seen_offsets[place + 1]))
        rows = states.seen_rows[part]
        return self.item_hashes[rows[states.seen_purchased[part]] if hidden is Hidden.PURCHASED else rows]
