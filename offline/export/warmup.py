"""Requests that travel in the bundle: they warm the service up, and their answers prove that it answers right."""

import numpy as np

from app.artifact.behaviours import VIEW
from app.artifact.user_state import UserStates
from app.engine.requests import RequestBatch

CONTEXT_SHARE = 0.25


def warmup_requests(
    states: UserStates, items: int, window: int, cut: float | None, requests: int, rng: np.random.Generator
) -> RequestBatch:
    """Users with their stored state, and single items as context.

    Args:
        states: of the bundle.
        items: item rows, the padding row included.
        window: events a request.
        cut: unix seconds, None without a clock.
        requests: how many, at most.
        rng: draws users and items.
    """
    contexts = round(CONTEXT_SHARE * requests)
    users = rng.choice(len(states.hashes), size=min(requests - contexts, len(states.hashes)), replace=False)
    size, dim = len(users) + contexts, states.long_vectors.shape[1]
    rows = np.zeros((size, window), dtype=np.int32)
    types = np.zeros((size, window), dtype=np.uint8)
    times = np.full((size, window), np.nan)
    long_vector, long_weight = np.zeros((size, dim), dtype=np.float32), np.zeros(size, dtype=np.float32)
    now = np.nan if cut is None else cut
    for line, user in enumerate(users):
        events = slice(int(states.event_offsets[user]), int(states.event_offsets[user + 1]))
        count = events.stop - events.start
        rows[line, window - count :] = states.event_rows[events]
        types[line, window - count :] = states.event_types[events]
        times[line, window - count :] = states.event_times[events]
        long_vector[line], long_weight[line] = states.long_vectors_of(user), states.long_weights[user]
    rows[len(users) :, -1] = rng.integers(1, items, contexts)
    types[len(users) :, -1] = VIEW
    times[len(users) :, -1] = now
    return RequestBatch(
        now=np.full(size, now),
        event_rows=rows,
        event_types=types,
        event_times=times,
        long_vector=long_vector,
        long_weight=long_weight,
        exclude_rows=np.zeros((size, 0), dtype=np.int64),
    )
