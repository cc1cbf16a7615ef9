"""Query vectors and rankings from the network in full precision: validation, and the diagnostic beside the bundle."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from app.artifact.event_features import age_buckets
from model.query_tower import QueryTower
from offline.dataset.histories import Histories

_BATCH = 512
_MOST_SCORES = 1 << 27  # at once: half a gigabyte


@dataclass(frozen=True)
class LongStates:
    """What a user's events before the window add up to."""

    vectors: NDArray[np.float32]  # [users, dim]
    weights: NDArray[np.float32]  # [users]


@torch.no_grad()
def long_states(
    tower: QueryTower, units: Tensor, histories: Histories, now: NDArray[np.float64], window: int
) -> LongStates:
    """The weighted sums over the events older than each user's last `window` ones, as of `now` `[users]`."""
    user = np.repeat(np.arange(len(histories)), histories.lengths)
    older = np.arange(len(user)) < (histories.offsets[1:] - window)[user]
    user = user[older]
    ages = torch.from_numpy(age_buckets(histories.times[older], now[user])).to(units.device)
    types = torch.from_numpy(histories.types[older].astype(np.int64)).to(units.device)
    weight = tower.event_weights(types, ages, torch.full_like(types, window - 1))
    lines = torch.from_numpy(user).to(units.device)
    vectors = torch.zeros(len(histories), units.shape[1], device=units.device)
    rows = torch.from_numpy(histories.rows[older].astype(np.int64)).to(units.device)
    for start in range(0, len(rows), 200_000):
        part = slice(start, start + 200_000)
        vectors.index_add_(0, lines[part], units[rows[part]] * weight[part, None])
    weights = torch.zeros(len(histories), device=units.device).index_add_(0, lines, weight)
    return LongStates(vectors.cpu().numpy(), weights.cpu().numpy())


@torch.no_grad()
def query_vectors(
    tower: QueryTower, units: Tensor, histories: Histories, now: NDArray[np.float64], window: int
) -> Tensor:
    """`[users, dim]` as of `now` `[users]`; users without history get zeros."""
    rows, types, times = histories.windows(window)
    ages = age_buckets(times, now[:, None])
    long = long_states(tower, units, histories, now, window)
    parts = []
    for start in range(0, len(histories), _BATCH):
        part = slice(start, start + _BATCH)
        events = units[torch.from_numpy(rows[part].astype(np.int64)).to(units.device)]
        kinds = torch.from_numpy(types[part].astype(np.int64)).to(units.device)
        parts.append(
            tower(
                events * (kinds != 0)[:, :, None],
                kinds,
                torch.from_numpy(ages[part])[:, None, :].to(units.device),
                torch.from_numpy(long.vectors[part]).to(units.device),
                torch.from_numpy(long.weights[part])[:, None].to(units.device),
            )[:, 0]
        )
    return torch.cat(parts) if parts else torch.zeros(0, units.shape[1])


@torch.no_grad()
def rank_items(
    queries: Tensor,
    items: Tensor,
    hidden_lines: NDArray[np.int64],
    hidden_rows: NDArray[np.int32],
    depth: int,
    absent: NDArray[np.int32] | None = None,
) -> NDArray[np.int64]:
    """The best `depth` rows of every query, `[queries, depth]`, without row 0 and each query's hidden rows.

    Args:
        queries: `[queries, dim]`.
        items: `[items, dim]`.
        hidden_lines: `[hidden]` which query hides, ascending.
        hidden_rows: `[hidden]` which row.
        depth: rows a query.
        absent: rows that every query hides.
    """
    parts = []
    never = torch.from_numpy(np.append(absent if absent is not None else [], 0).astype(np.int64))
    at_once = max(1, min(_BATCH, _MOST_SCORES // len(items)))
    for start in range(0, len(queries), at_once):
        scores = queries[start : start + at_once] @ items.T
        scores[:, never] = -torch.inf
        low, high = np.searchsorted(hidden_lines, [start, start + at_once])
        scores[hidden_lines[low:high] - start, hidden_rows[low:high].astype(np.int64)] = -torch.inf
        parts.append(scores.topk(min(depth, scores.shape[1]), dim=1).indices.cpu().numpy())
    return np.concatenate(parts) if parts else np.zeros((0, depth), dtype=np.int64)
