"""The loss of one step: the softmax over all items or drawn ones, and which parameters decay."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from model.losses import Targets, log_inclusion, softmax_cross_entropy
from model.precision import has_fast_bfloat16
from model.query_tower import QueryTower
from offline.training.batches import Batch, SetBatch
from offline.training.settings import TrainSettings


def parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay for matrices, none for gates, biases, tables of weights and norms."""
    named = list(network.named_parameters())
    decayed = [value for name, value in named if value.dim() > 1 and "bias" not in name]
    rest = [value for name, value in named if value.dim() <= 1 or "bias" in name]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0.0}]


@dataclass(frozen=True)
class Negatives:
    """Items that were drawn, with replacement, before the vectors of all were at hand."""

    rows: Tensor  # [draws] of the items at hand
    probabilities: Tensor  # [items at hand] with which each is drawn


def batch_loss(
    tower: QueryTower,
    units: Tensor,
    lengths: Tensor,
    frequency: Tensor | Negatives,
    batch: Batch | SetBatch,
    settings: TrainSettings,
) -> Tensor:
    """Mean cross-entropy a target's weight, given unit item vectors `[items, item_dim]` and lengths `[items]`.

    `frequency` `[items]` counts train events; sampled negatives are drawn by it, if they were not before.
    """
    queries = queries_of(tower, units, batch)
    return cross_entropy(queries, units * lengths[:, None], batch.targets, frequency, settings)


def queries_of(tower: QueryTower, units: Tensor, batch: Batch | SetBatch) -> Tensor:
    """The query vectors `[asked, item_dim]` of a batch, given unit item vectors `[items, item_dim]`."""
    if isinstance(batch, SetBatch):
        return tower.of_sets(units, batch.rows, batch.types, batch.first)
    present = batch.types != 0
    zero = units.new_zeros(len(batch.rows), units.shape[1])
    events = units[batch.rows] * present[:, :, None]
    queries: Tensor = tower(events, batch.types, batch.ages, zero, zero[:, :1], batch.query_positions)
    return queries


def cross_entropy(
    queries: Tensor, items: Tensor, targets: Targets, frequency: Tensor | Negatives, settings: TrainSettings
) -> Tensor:
    """Mean cross-entropy a target's weight of queries `[queries, dim]` among items `[items, dim]`, all or drawn.

    Of targets that are a part of a step's, their part of the step's mean.
    """
    bias = None
    if isinstance(frequency, Negatives):
        items, targets, bias = _among(items, targets, frequency)
    elif len(items) > settings.full_softmax_items:
        probabilities = draw_probabilities(frequency)
        drawn = torch.multinomial(probabilities, settings.sampled_items, replacement=True)
        items, targets, bias = _among(items, targets, Negatives(drawn, probabilities))
    total = softmax_cross_entropy(queries, items, targets, bias, low_precision=has_fast_bfloat16(items.device))
    return total / (targets.weight.sum().clamp(min=1e-6) if targets.whole is None else max(targets.whole, 1e-6))


def draw_probabilities(frequency: Tensor) -> Tensor:
    """`[items]` with which each is drawn: half by frequency and half uniformly."""
    return 0.5 * frequency / frequency.sum() + 0.5 / len(frequency)


def _among(items: Tensor, targets: Targets, drawn: Negatives) -> tuple[Tensor, Targets, Tensor]:
    """The targets and the drawn ones, with their logQ."""
    chosen = torch.unique(torch.cat([targets.item, drawn.rows, targets.item.new_zeros(1)]))  # row 0 first: masked
    place = torch.searchsorted(chosen, targets.item)
    bias = -log_inclusion(drawn.probabilities[chosen], len(drawn.rows) + len(targets.item))
    return items[chosen], replace(targets, item=place), bias
