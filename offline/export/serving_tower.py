"""The query tower as it is exported: the newest position alone, and no row of a batch able to move another."""

import copy

import torch
from torch import Tensor, nn

from model.query_tower import QueryTower


class ServingTower(nn.Module):
    """The query tower at the newest event, or the given query in its place.

    Args:
        tower: the trained tower, which is copied.
    """

    def __init__(self, tower: QueryTower) -> None:
        super().__init__()
        self.tower = copy.deepcopy(tower).eval()
        self.tower.add_module("total", _SumByProduct())
        self.tower.add_module("unit", _UnitByProduct())
        for owner, name in _single_row_linears(self.tower):
            owner.add_module(name, _ZeroPaddedLinear(owner.get_submodule(name)))

    def forward(
        self,
        event_vectors: Tensor,
        event_types: Tensor,
        age_buckets: Tensor,
        long_vector: Tensor,
        long_weight: Tensor,
        given_query: Tensor,
        given: Tensor,
    ) -> Tensor:
        """Query vectors `[batch, item_dim]`; the shapes of the inputs stand in `app.artifact.names`."""
        query = self.tower(event_vectors, event_types, age_buckets[:, None, :], long_vector, long_weight)
        return torch.where(given, given_query, query[:, 0])


class _ZeroPaddedLinear(nn.Module):
    """A linear layer on one row a request, computed beside a row of zeros that is dropped again.

    A matrix product of a single row takes another kernel than one of several rows, which rounds otherwise: without
    the companion a request alone would differ in the last digits from the same request in a batch.
    """

    def __init__(self, linear: nn.Module) -> None:
        super().__init__()
        self.linear = linear

    def forward(self, rows: Tensor) -> Tensor:
        """`[batch, 1, in]` -> `[batch, 1, out]`."""
        pair = torch.cat([rows, torch.zeros_like(rows[:1])], dim=0)
        result: Tensor = self.linear(pair)
        return result[:-1]


class _SumByProduct(nn.Module):
    """The sum over the last axis as one small product a request: the runtime's own sums depend on the batch."""

    def forward(self, rows: Tensor) -> Tensor:
        """`[batch, 1, n]` -> `[batch, 1, 1]`."""
        return rows @ torch.ones_like(rows).transpose(1, 2)


class _UnitByProduct(nn.Module):
    """Rows of length 1, the length again as one small product a request."""

    def forward(self, rows: Tensor) -> Tensor:
        """`[batch, 1, dim]` -> `[batch, 1, dim]`."""
        return rows / (rows @ rows.transpose(1, 2)).sqrt().clamp(min=1e-12)


def _single_row_linears(tower: QueryTower) -> list[tuple[nn.Module, str]]:
    """Every linear layer that reads one row a request: all but those of the events."""
    linears: list[tuple[nn.Module, str]] = [(tower, "inner"), (tower, "outer")]
    if tower.narrow is not None:
        linears.append((tower, "narrow"))
    if tower.session is not None:
        linears += [(tower.session, "queries"), (tower.session, "joined")]
        linears += [(tower.session.feed, name) for name in ("0", "3")]
    return linears
