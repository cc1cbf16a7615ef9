"""The items that a step computes: all, or those that messages reach and the few others that it drew."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import torch
from torch import Tensor

from model.item_tower import ItemGraph
from model.losses import Targets
from model.network import Network
from offline.training.batches import Batch, SetBatch
from offline.training.query_loss import QueryBatch
from offline.training.settings import TrainSettings
from offline.training.step_loss import Negatives, draw_probabilities
from offline.training.text_loss import TextBatch

MANY_ALONE: Final = 200_000
"""Items that no message reaches: from so many on, a step computes a draw of them alone (benchmarks/RESULTS.md)."""


@dataclass(frozen=True)
class StepItems:
    """The vectors of the items that a step computes, and its examples, which name items by their place in them."""

    units: Tensor  # [places, item_dim]
    lengths: Tensor  # [places]
    batch: Batch | SetBatch | None
    queries: QueryBatch | None
    views: TextBatch | None
    frequencies: tuple[Tensor | Negatives, Tensor | Negatives, Tensor | Negatives]  # of histories, queries and views


class AllItems:
    """Every step computes all items."""

    def __init__(self, graph: ItemGraph, known: Tensor, frequency: Tensor) -> None:
        self._graph, self._known, self._frequency = graph, known, frequency
        self.count = graph.items

    def step(
        self, network: Network, batch: Batch | SetBatch | None, queries: QueryBatch | None, views: TextBatch | None
    ) -> StepItems:
        """The vectors of all items; negatives are drawn later, if at all."""
        senders = None if queries is None else queries.connected
        units, lengths = network.item_vectors(self._graph, self._known, senders)
        return StepItems(units, lengths, batch, queries, views, (self._frequency,) * 3)


class LinkedItems:
    """Every step computes the items that messages reach, and of the others those that it draws.

    Most of a large catalogue nobody has touched: such an item is its text and its attributes, whatever the others are,
    so that leaving it out of a step that does not ask for it changes no other item. What it takes part in by all of
    them, the mean norm, is told from those that are drawn.
    """

    def __init__(self, graph: ItemGraph, known: Tensor, frequency: Tensor, draws: int) -> None:
        linked = graph.linked() | known.cpu()
        linked[0] = True
        rows = linked.nonzero()[:, 0]
        self._graph = graph
        self._linked = graph.part(rows)
        self._known = known[rows]
        self.count = len(rows)
        self._others = graph.items - len(rows)
        self._probabilities = draw_probabilities(frequency)
        self._draws = draws
        self._place = torch.full((graph.items,), -1)
        self._place[rows] = torch.arange(len(rows))

    def step(
        self, network: Network, batch: Batch | SetBatch | None, queries: QueryBatch | None, views: TextBatch | None
    ) -> StepItems:
        """The vectors of the linked items and of the drawn ones, among which all that is asked for is."""
        kinds = batch, queries, views
        drawn = [self._draw() for _ in kinds]
        targets = [kind.targets.item for kind in kinds if kind is not None]
        alone = self._alone([*drawn, *targets])
        senders = None if queries is None else queries.connected
        graph = self._graph.alone(alone)
        units, lengths = network.vectors_of_parts(self._linked, graph, self._others, self._known, senders)
        place = self._place.clone()
        place[alone] = self._linked.items + torch.arange(len(alone))
        assert self._linked.rows is not None  # noqa: S101 - a part has rows
        probabilities = self._probabilities[torch.cat([self._linked.rows, alone])]
        negatives = tuple(Negatives(place[rows], probabilities) for rows in drawn)
        if batch is not None:
            batch = replace(batch, rows=place[batch.rows], targets=_placed(batch.targets, place))
        if queries is not None:
            queries = replace(queries, rows=place[queries.rows], targets=_placed(queries.targets, place))
        if views is not None:
            views = replace(views, targets=_placed(views.targets, place))
        return StepItems(units, lengths, batch, queries, views, (negatives[0], negatives[1], negatives[2]))

    def _draw(self) -> Tensor:
        return torch.multinomial(self._probabilities, self._draws, replacement=True)

    def _alone(self, rows: Sequence[Tensor]) -> Tensor:
        """Those of the rows that no message reaches, ascending."""
        joined = torch.cat(list(rows))
        alone: Tensor = torch.unique(joined[self._place[joined] < 0])
        return alone


def step_items(graph: ItemGraph, known: Tensor, frequency: Tensor, settings: TrainSettings) -> AllItems | LinkedItems:
    """What the steps of a training compute.

    Args:
        known: `[items]` bool, the items seen in training.
        frequency: `[items]` their train events.
    """
    is_sampled = graph.items > settings.full_softmax_items
    if known.is_cuda or not is_sampled or graph.items - int((graph.linked() | known).sum()) < MANY_ALONE:
        return AllItems(graph, known, frequency)
    return LinkedItems(graph, known, frequency, settings.sampled_items)


def _placed(targets: Targets, place: Tensor) -> Targets:
    return replace(targets, item=place[targets.item])
