"""The whole network: item tower and query tower, which meet in an inner product."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.item_tower import ItemGraph, ItemTower
from model.query_tower import QueryTower


@dataclass(frozen=True)
class NetworkShape:
    """The sizes that fix the network's parameters."""

    dim: int
    window: int
    heads: int
    layers: int
    types: int
    ages: int
    ordered: bool
    dropout: float
    id_dropout: float


class Network(nn.Module):
    """Items and queries in one space. The score of an item for a query is their inner product."""

    def __init__(self, graph: ItemGraph, shape: NetworkShape) -> None:
        super().__init__()
        self.items = ItemTower(graph, shape.dim, shape.layers, shape.id_dropout)
        self.queries = QueryTower(
            shape.dim, shape.heads, shape.window, shape.types, shape.ages, shape.dropout, shape.ordered
        )
        self.norm_power = nn.Parameter(torch.tensor(0.2))

    def item_vectors(self, graph: ItemGraph, known: Tensor) -> tuple[Tensor, Tensor]:
        """Directions and lengths of all items.

        Args:
            graph: the graph.
            known: `[items]` bool, items seen in training.

        Returns:
            Unit vectors `[items, dim]`, which stand for items in a history, and lengths `[items]`; a score is
            `query @ (unit * length)`. The length is a learned power of the feature's norm, relative to the mean one:
            it carries the popularity. An item never seen in training is as long as the others are on average: a
            feature without messages is short, which would tell of nothing but that.
        """
        features = self.items(graph, known)
        norms = features.norm(dim=1).clamp(min=1e-6)
        lengths = (norms / norms[1:].mean().clamp(min=1e-6)) ** self.norm_power
        usual = torch.where(known, lengths, 0.0).sum() / known.sum().clamp(min=1)
        lengths = torch.where(known | ~known.any(), lengths, usual)
        return functional.normalize(features, dim=1), lengths
