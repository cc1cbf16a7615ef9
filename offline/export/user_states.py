"""What the service is to know of every user as of the cut."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from app.artifact.behaviours import PURCHASE
from app.artifact.columns import offsets_of
from app.artifact.quantise import quantise_rows
from app.artifact.user_records import LONG_BITS
from app.artifact.user_state import UserStates
from model.query_tower import QueryTower
from offline.dataset.histories import Histories
from offline.dataset.people import person_hashes
from offline.training.scoring import long_states


def user_states(
    user_ids: list[str],
    histories: Histories,
    tower: QueryTower,
    vectors: Tensor,
    cut: float | None,
) -> UserStates:
    """States of all users with a history, by ascending hash.

    Args:
        user_ids: `[users]`, texts of `offline.dataset.people`.
        histories: of the same users, up to the cut.
        tower: weighs the events older than its window.
        vectors: `[items, dim]`, as the service will read them.
        cut: unix seconds, None without a clock.
    """
    window = tower.window
    now = np.full(len(histories), np.nan if cut is None else cut)
    long = long_states(tower, vectors, histories, now, window)
    hashes = person_hashes(user_ids)
    users = np.argsort(hashes, kind="stable")
    users = users[histories.lengths[users] > 0]
    places, lengths = _last_positions(histories, users, window)
    quantised, scales = quantise_rows(long.vectors[users], LONG_BITS)
    seen = _seen_items(histories, users)
    return UserStates(
        hashes=hashes[users],
        long_vectors=quantised,
        long_scales=scales,
        long_weights=long.weights[users],
        event_offsets=offsets_of(lengths),
        event_rows=histories.rows[places],
        event_types=histories.types[places],
        event_times=histories.times[places],
        seen_offsets=seen.offsets,
        seen_rows=seen.rows,
        seen_purchased=seen.purchased,
    )


@dataclass(frozen=True)
class _SeenItems:
    offsets: NDArray[np.int64]  # [users + 1]
    rows: NDArray[np.int32]
    purchased: NDArray[np.bool_]


def _seen_items(histories: Histories, users: NDArray[np.int64]) -> _SeenItems:
    """The different items of each user's whole history, ascending, and whether any event on them is a purchase."""
    line_of = np.full(len(histories), -1)
    line_of[users] = np.arange(len(users))
    lines = np.repeat(line_of, histories.lengths)  # every user with an event has a line
    width = int(histories.rows.max(initial=0)) + 1
    pairs = lines * width + histories.rows
    unique, inverse = np.unique(pairs, return_inverse=True)
    purchased = np.zeros(len(unique), dtype=bool)
    purchased[inverse[histories.types == PURCHASE]] = True
    counts = np.bincount(unique // width, minlength=len(users))
    return _SeenItems(
        offsets=offsets_of(counts),
        rows=(unique % width).astype(np.int32),
        purchased=purchased,
    )


def _last_positions(
    histories: Histories, users: NDArray[np.int64], window: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Flat places of each user's last `window` events, user after user, and how many they are."""
    lengths = np.minimum(histories.lengths[users], window)
    first = np.cumsum(lengths) - lengths
    starts = histories.offsets[users + 1] - lengths
    return np.arange(int(lengths.sum())) + np.repeat(starts - first, lengths), lengths
