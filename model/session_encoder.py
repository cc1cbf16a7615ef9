"""The session encoder: one pre-norm block of causal self-attention over the recent events."""

import torch
from torch import Tensor, nn

from model.dropout import Dropout


class SessionEncoder(nn.Module):
    """Self-attention (Vaswani et al. 2017) with a learned bias by distance and by age instead of positions.

    The bias by distance follows Raffel et al., "T5" (JMLR 2020), section 2.1, one bias a head and a distance.
    """

    def __init__(
        self, dim: int, heads: int, window: int, types: int, ages: int, dropout: float, feed: int | None = None
    ) -> None:
        super().__init__()
        self.heads = heads
        self.type_embedding = nn.Embedding(types, dim)
        nn.init.normal_(self.type_embedding.weight, std=0.02)
        self.before_attention = nn.LayerNorm(dim)
        self.queries = nn.Linear(dim, dim)
        self.keys = nn.Linear(dim, dim)
        self.values = nn.Linear(dim, dim)
        self.joined = nn.Linear(dim, dim)
        self.distance_bias = nn.Parameter(torch.zeros(window, heads))
        self.age_bias = nn.Parameter(torch.zeros(ages, heads))
        self.before_feed = nn.LayerNorm(dim)
        feed = 2 * dim if feed is None else feed
        self.feed = nn.Sequential(nn.Linear(dim, feed), nn.GELU(), Dropout(dropout), nn.Linear(feed, dim))
        self.dropout = Dropout(dropout)
        # Both residual branches start at zero, so that before training the state is the item of the position.
        for last in (self.joined, self.feed[3]):
            assert isinstance(last, nn.Linear)  # noqa: S101 - for the type checker
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def forward(
        self,
        events: Tensor,
        types: Tensor,
        distance: Tensor,
        ages: Tensor,
        visible: Tensor,
        places: Tensor | None = None,
    ) -> Tensor:
        """States at the query positions.

        Args:
            events: `[batch, window, dim]` item vectors.
            types: `[batch, window]` behaviours.
            distance: `[positions, window]` events between each query position and each event, 0 for itself.
            ages: `[batch, positions, window]` age buckets seen from the query positions.
            visible: `[batch, positions, window]` which events may be read.
            places: flat ones in `[batch * positions]`, whose states alone are computed where they are given.

        Returns:
            `[batch, positions, dim]`, or `[places, dim]`; the query positions are the last `positions` of the window.
        """
        inputs = self.dropout(events + self.type_embedding(types))
        normed = self.before_attention(inputs)
        positions = distance.shape[0]
        start = events.shape[1] - positions
        head_dim = events.shape[2] // self.heads

        def split(features: Tensor, length: int) -> Tensor:
            return features.reshape(-1, length, self.heads, head_dim).transpose(1, 2)

        queries = split(self.queries(normed[:, start:]), positions)
        keys, values = split(self.keys(normed), events.shape[1]), split(self.values(normed), events.shape[1])
        bias = self.distance_bias[distance].permute(2, 0, 1)[None] + self.age_bias[ages].permute(0, 3, 1, 2)
        scores = queries @ keys.transpose(2, 3) * head_dim**-0.5 + bias
        scores = scores.masked_fill(~visible[:, None], -1e9)
        mixed = (torch.softmax(scores, dim=-1) @ values).transpose(1, 2).reshape(-1, positions, events.shape[2])
        state = inputs[:, start:]
        if places is not None:
            mixed, state = (part.reshape(-1, events.shape[2]).index_select(0, places) for part in (mixed, state))
        state = state + self.dropout(self.joined(mixed))
        result: Tensor = state + self.dropout(self.feed(self.before_feed(state)))
        return result
