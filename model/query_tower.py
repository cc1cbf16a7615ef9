"""The query tower: the user vector of a request, from its events; the part of the network that runs online."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.dropout import Dropout
from model.session_encoder import SessionEncoder


class RowSum(nn.Module):
    """The sum over the last axis, which is kept; a module so that the export can replace it."""

    def forward(self, rows: Tensor) -> Tensor:
        """`[..., n]` -> `[..., 1]`."""
        return rows.sum(dim=-1, keepdim=True)


class RowUnit(nn.Module):
    """Rows of length 1; a module so that the export can replace it."""

    def forward(self, rows: Tensor) -> Tensor:
        """`[..., dim]` -> `[..., dim]`; a row of zeros stays one."""
        return functional.normalize(rows, dim=-1)


@dataclass(frozen=True)
class QueryTowerShape:
    """The sizes and switches that fix the parameters of a query tower."""

    dim: int  # numbers in a vector
    heads: int  # of the session encoder
    window: int  # events that are read at most
    types: int  # behaviours, padding included
    ages: int  # age buckets
    dropout: float
    ordered: bool  # whether the order of events means anything
    temperature: float = 0.07  # `T` before training
    aggregation: bool = True  # whether `m` takes part; without it `s` replaces it
    attention: bool = True  # whether `s` takes part; without it, as without an order, `m` replaces it
    typed: bool = True  # whether behaviours differ; else every event counts as one of the first behaviour
    timed: bool = True  # whether ages are read; else every event counts as one of an unknown age
    item_dim: int | None = None  # numbers in a stored item vector where they are fewer than `dim`
    hidden: int | None = None  # units between `inner` and `outer`; twice `dim` if left out
    feed: int | None = None  # units of the session encoder's feed-forward part; twice `dim` if left out


class QueryTower(nn.Module):
    r"""The last graph layer of the user, applied to the events of a request, joined with the session encoder.

    :math:`m = \frac{S + \sum_j w_j z_j}{c + \sum_j w_j}` is the weighted mean over the user's items, where `S` and `c`
    carry the events older than the window; then
    :math:`q = \frac{1}{T} \mathrm{unit}(g_m m + g_s s + V \sigma(W [m, s]))` with the session state `s`.

    Where item vectors are stored with fewer numbers than the tower computes with, one matrix widens them at its entry
    and another narrows the query at its exit.
    """

    def __init__(self, shape: QueryTowerShape) -> None:
        super().__init__()
        dim, item_dim = shape.dim, shape.item_dim
        self.shape = shape
        self.window = shape.window
        self.ordered = shape.ordered
        self.aggregation = shape.aggregation
        self.typed = shape.typed
        self.timed = shape.timed
        self.type_weight = nn.Parameter(torch.zeros(shape.types))
        self.age_weight = nn.Parameter(torch.zeros(shape.ages))
        distance_weight = -0.05 * torch.arange(shape.window).float() if shape.ordered else torch.zeros(shape.window)
        self.distance_weight = nn.Parameter(distance_weight)
        self.session: SessionEncoder | None = None
        if shape.ordered and shape.attention:
            self.session = SessionEncoder(
                dim, shape.heads, shape.window, shape.types, shape.ages, shape.dropout, shape.feed
            )
        self.gates = nn.Parameter(torch.tensor([1.0, 1.0]))
        hidden = 2 * dim if shape.hidden is None else shape.hidden
        self.inner = nn.Linear(2 * dim, hidden)
        self.outer = nn.Linear(hidden, dim, bias=False)
        nn.init.zeros_(self.outer.weight)
        self.dropout = Dropout(shape.dropout)
        self.total = RowSum()
        self.unit = RowUnit()
        self.log_temperature = nn.Parameter(torch.tensor(shape.temperature).log())
        self.widen = None if item_dim is None else nn.Linear(item_dim, dim, bias=False)
        self.narrow = None if item_dim is None else nn.Linear(dim, item_dim, bias=False)

    def distinct_types(self, types: Tensor) -> Tensor:
        """Behaviours, or one behaviour for all of them where the tower does not distinguish them."""
        return types if self.typed else types.clamp(max=1)

    def distinct_ages(self, ages: Tensor) -> Tensor:
        """Age buckets, or the one of unknown ages for all of them where the tower was trained without times."""
        return ages if self.timed else ages.clamp(max=0)

    def event_weights(self, types: Tensor, ages: Tensor, distance: Tensor) -> Tensor:
        """Weights of events in the mean; shapes broadcast against each other. Unordered events have no distance."""
        weight = self.type_weight[self.distinct_types(types)] + self.age_weight[self.distinct_ages(ages)]
        return torch.exp(weight + self.distance_weight[distance] if self.ordered else weight)

    def forward(
        self,
        events: Tensor,
        types: Tensor,
        ages: Tensor,
        long_vector: Tensor,
        long_weight: Tensor,
        places: Tensor | None = None,
    ) -> Tensor:
        """Query vectors.

        Args:
            events: `[batch, window, item_dim]` item vectors, newest last, zeros for padding; `item_dim` is `dim`
                unless it was cut.
            types: `[batch, window]` behaviours, 0 for padding.
            ages: `[batch, positions, window]` age buckets seen from the query positions, which are the last ones.
            long_vector: `[batch, item_dim]`.
            long_weight: `[batch, 1]`.
            places: flat ones in `[batch * positions]`, whose vectors alone are computed where they are given.

        Returns:
            `[batch, positions, item_dim]`, or `[places, item_dim]`.
        """
        types, ages = self.distinct_types(types), self.distinct_ages(ages)
        if (
            self.widen is not None
        ):  # one product for all rows: a product of the long vector alone would be rounded differently
            wide = self.widen(torch.cat([events, long_vector[:, None, :]], dim=1))
            events, long_vector = wide[:, :-1], wide[:, -1]
        positions = ages.shape[1]
        length = events.shape[1]
        position = torch.arange(length - positions, length, device=events.device)
        distance = position[:, None] - torch.arange(length, device=events.device)[None, :]
        visible = (types != 0)[:, None, :] & (distance >= 0)[None]
        distance = distance.clamp(0, self.window - 1)
        weights = self.event_weights(types[:, None, :], ages, distance) * visible
        total = self.total(weights) + long_weight[:, None, :]
        mean = (weights @ events + long_vector[:, None, :]) / total.clamp(min=1e-6)
        if places is not None:
            mean = mean.reshape(-1, mean.shape[2]).index_select(0, places)
        state = mean if self.session is None else self.session(events, types, distance, ages, visible, places)
        return self.join(mean if self.aggregation else state, state)

    def of_sets(self, items: Tensor, rows: Tensor, types: Tensor, first: Tensor) -> Tensor:
        """Query vectors of histories without order and times: what `forward` gives, without any padding.

        Args:
            items: `[items, item_dim]` item vectors.
            rows: `[events]` rows of `items`, history after history.
            types: `[events]` behaviours.
            first: `[batch]` where each history begins; none is empty.

        Returns:
            `[batch, item_dim]`.
        """
        items = items if self.widen is None else self.widen(items)
        types, unknown = self.distinct_types(types), torch.zeros_like(types)
        weights = self.event_weights(types, unknown, unknown)
        totals = functional.embedding_bag(
            torch.arange(len(rows), device=rows.device), weights[:, None], first, mode="sum"
        )
        sums = functional.embedding_bag(rows, items, first, mode="sum", per_sample_weights=weights)
        mean = sums / totals
        return self.join(mean, mean)

    def join(self, mean: Tensor, state: Tensor) -> Tensor:
        """Mean and session state, `[..., dim]` each -> query vectors of length `1 / temperature` before any cut."""
        joined = self.outer(self.dropout(torch.relu(self.inner(torch.cat([mean, state], dim=-1)))))
        query = self.gates[0] * mean + self.gates[1] * state + joined
        result: Tensor = self.unit(query) / self.log_temperature.exp()
        return result if self.narrow is None else self.narrow(result)
