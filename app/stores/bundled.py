"""The states that came with a bundle: the memory store begins with them, and they stand in when Redis is gone."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.artifact.user_state import UserStates
from app.stores.state import Exclude, StateRequest, UserState


class BundledStates:
    """States as of the bundle's cut; read only.

    Args:
        states: the bundle's users.
        item_hashes: `[items + 1]`, the stable hash of the item in each row.
    """

    def __init__(self, states: UserStates, item_hashes: NDArray[np.uint64]) -> None:
        self.states = states
        self.item_hashes = item_hashes

    def fetch(self, requests: Sequence[StateRequest]) -> list[UserState | None]:
        """The state of each user, `None` for an unknown one."""
        states = self.states
        if not len(states.hashes):
            return [None] * len(requests)
        hashes = np.array([request.user_hash for request in requests], dtype=np.uint64)
        user_rows = np.minimum(np.searchsorted(states.hashes, hashes), len(states.hashes) - 1)
        is_known = (states.hashes[user_rows] == hashes).tolist()
        if states.withheld:
            is_known = [
                known and request.user_hash not in states.withheld
                for known, request in zip(is_known, requests, strict=True)
            ]
        starts, ends = states.event_offsets[user_rows].tolist(), states.event_offsets[user_rows + 1].tolist()
        vectors = states.long_vectors_of(user_rows)
        weights = states.long_weights[user_rows].tolist()
        return [
            UserState(
                vectors[index] if weights[index] > 0 else None,
                weights[index],
                self.item_hashes[states.event_rows[start:end]],
                states.event_types[start:end],
                states.event_times[start:end],
                None if request.exclude is Exclude.NONE else self.excluded_items_of(user_row, request.exclude),
            )
            if known
            else None
            for index, (request, known, user_row, start, end) in enumerate(
                zip(requests, is_known, user_rows.tolist(), starts, ends, strict=True)
            )
        ]

    def excluded_items_of(self, user_row: int, exclude: Exclude) -> NDArray[np.uint64]:
        """The items that the user of a row has seen or purchased, as hashes."""
        states = self.states
        part = slice(int(states.seen_offsets[user_row]), int(states.seen_offsets[user_row + 1]))
        rows = states.seen_rows[part]
        return self.item_hashes[rows[states.seen_purchased[part]] if exclude is Exclude.PURCHASED else rows]
