"""What the service asks of a store of user states."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class UserState:
    """What is known of one user. Events are oldest first; items go by their stable hash, which outlives a bundle."""

    long_vector: NDArray[np.float32]  # [dim] weighted sum over the events older than the window
    long_weight: float  # the sum of those weights
    event_items: NDArray[np.uint64]  # [events] stable hashes of item ids
    event_types: NDArray[np.uint8]  # [events] behaviour codes
    event_times: NDArray[np.float64]  # [events] unix seconds, NaN when unknown


class UserStore(Protocol):
    """States by the stable hash of a user or visitor id."""

    async def fetch(self, user_hashes: Sequence[int]) -> list[UserState | None]:
        """The state of each user, `None` for an unknown one; one round trip for the whole batch.

        Raises:
            OSError: the store cannot be reached, or not in time (`TimeoutError`).
        """
        ...
