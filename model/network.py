"""The whole network: item tower and query tower, which meet in an inner product."""

from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.item_tower import ItemGraph, ItemTower
from model.query_tower import QueryTower, QueryTowerShape


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
    item_gate: float = 0.25  # of the messages between items, before training
    behaviour_gate: float = 0.25  # of those through users, all behaviours together
    query_gate: float = 1.0  # of those of queries
    temperature: float = 0.07  # before training
    aggregation: bool = True  # whether the weighted mean over the events takes part
    attention: bool = True  # whether the session encoder does, where there is an order
    typed: bool = True  # whether behaviours differ
    timed: bool = True  # whether events have ages
    item_dim: int | None = None  # numbers in a vector outside the network, where it was cut; `dim` otherwise
    hidden: int | None = None  # units between `inner` and `outer` of the query tower; twice `dim` unless cut
    feed: int | None = None  # units of the session encoder's feed-forward part; twice `dim` unless cut

    def query_tower(self) -> QueryTowerShape:
        """The part of the shape that is the query tower's."""
        return QueryTowerShape(**{field.name: getattr(self, field.name) for field in fields(QueryTowerShape)})


class Network(nn.Module):
    """Items and queries in one space. The score of an item for a query is their inner product."""

    def __init__(self, graph: ItemGraph, shape: NetworkShape) -> None:
        super().__init__()
        self.shape = shape
        self.items = ItemTower(
            graph,
            shape.dim,
            shape.layers,
            shape.id_dropout,
            shape.item_gate,
            shape.behaviour_gate,
            shape.query_gate,
        )
        self.queries = QueryTower(shape.query_tower())
        self.norm_power = nn.Parameter(torch.tensor(0.2))
        self.narrow = None if shape.item_dim is None else nn.Linear(shape.dim, shape.item_dim, bias=False)

    def item_vectors(self, graph: ItemGraph, known: Tensor, senders: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Directions and lengths of all items.

        Args:
            known: `[items]` bool, items seen in training.
            senders: `[queries]` bool, the queries that send a message; all if left out.

        Returns:
            Unit vectors `[items, dim]` (`item_dim` of a cut network), which stand for items in a history, and lengths
            `[items]`; a score is `query @ (unit * length)`. The length is a learned power of the feature's norm,
            relative to the mean one: it carries the popularity. An item never seen in training is as long as the others
            are on average, since a feature is short where it has no messages, whatever the item.
        """
        return self.narrowed(*self.wide_vectors(graph, known, senders))

    def wide_vectors(self, graph: ItemGraph, known: Tensor, senders: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The same before any cut: unit vectors `[items, dim]` and lengths `[items]`."""
        features = self.items(graph, known, senders)
        norms = features.norm(dim=1).clamp(min=1e-6)
        lengths = (norms / norms[1:].mean().clamp(min=1e-6)) ** self.norm_power
        mean_length = torch.where(known, lengths, 0.0).sum() / known.sum().clamp(min=1)
        lengths = torch.where(known | ~known.any(), lengths, mean_length)
        return functional.normalize(features, dim=1), lengths

    def vectors_of_parts(
        self, linked: ItemGraph, alone: ItemGraph, others: int, known: Tensor, senders: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """What `item_vectors` returns, of the items that messages reach and then of a draw of those that none reaches.

        What an item is that no message reaches hangs on no other item, so that few of them need be computed.

        Args:
            linked: the part of the graph with all items that get or send a message, and with all known ones.
            alone: items drawn from the others, each as likely as the next; they stand for all in the mean norm.
            others: how many the others are.
            known: `[linked items]` bool, items seen in training.
            senders: `[queries]` bool, the queries that send a message; all if left out.
        """
        nobody = torch.zeros(alone.items, dtype=torch.bool, device=known.device)
        features = torch.cat([self.items(linked, known, senders), self.items(alone, nobody)])
        norms = features.norm(dim=1).clamp(min=1e-6)
        reached, count = norms[1 : linked.items], linked.items - 1
        mean = reached.mean()
        if alone.items:
            mean = (reached.sum() + others * norms[linked.items :].mean()) / (count + others)
        lengths = (norms / mean.clamp(min=1e-6)) ** self.norm_power
        is_known = torch.cat([known, nobody])
        mean_length = torch.where(is_known, lengths, 0.0).sum() / known.sum().clamp(min=1)
        lengths = torch.where(is_known, lengths, mean_length)
        return self.narrowed(functional.normalize(features, dim=1), lengths)

    def narrowed(self, units: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors as they are stored: unit vectors `[items, item_dim]` and lengths.

        The length that the cut takes off a vector is taken off the item's, so that scores are those of the cut vectors.
        """
        if self.narrow is None:
            return units, lengths
        cut = self.narrow(units)
        return functional.normalize(cut, dim=1), lengths * cut.norm(dim=1)
