"""How much each hidden unit of the query tower contributes, measured on histories of validation users."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from model.query_tower import QueryTower
from offline.dataset.histories import Histories
from offline.training.scoring import query_vectors


@dataclass(frozen=True)
class UnitImportance:
    """The root of the mean square of what each unit adds to the layer's output."""

    hidden: Tensor  # [hidden] of the query tower
    feed: Tensor | None  # [feed] of the session encoder, None without one


@torch.no_grad()
def unit_importance(tower: QueryTower, units: Tensor, histories: Histories, now: NDArray[np.float64]) -> UnitImportance:
    r""":math:`\sqrt{E[a_i^2]} \, \lVert W_{\cdot i} \rVert` of activations `a` and outgoing weights `W`.

    Args:
        tower: in eval mode.
        units: `[items, item_dim]`.
        histories: calibration data.
        now: `[users]`.
    """
    layers = [tower.outer] + ([] if tower.session is None else [_last_of(tower.session.feed)])
    squares = [torch.zeros(layer.in_features, dtype=torch.float64) for layer in layers]
    counts = [0] * len(layers)

    def watch(place: int) -> object:
        def add(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            activations = inputs[0].reshape(-1, inputs[0].shape[-1])
            squares[place] += activations.double().square().sum(dim=0).cpu()
            counts[place] += len(activations)

        return layers[place].register_forward_pre_hook(add)

    hooks = [watch(place) for place in range(len(layers))]
    try:
        query_vectors(tower, units, histories, now, tower.window)
    finally:
        for hook in hooks:
            hook.remove()  # type: ignore[attr-defined]
    importances = [
        (square / max(count, 1)).sqrt().float() * layer.weight.detach().norm(dim=0).cpu()
        for square, count, layer in zip(squares, counts, layers, strict=True)
    ]
    return UnitImportance(importances[0], importances[1] if len(importances) > 1 else None)


@torch.no_grad()
def weight_importance(tower: QueryTower) -> UnitImportance:
    """The product of the lengths of each unit's incoming and outgoing weights, for want of data to run."""
    hidden = tower.inner.weight.norm(dim=1) * tower.outer.weight.norm(dim=0)
    if tower.session is None:
        return UnitImportance(hidden, None)
    first, last = tower.session.feed[0], _last_of(tower.session.feed)
    assert isinstance(first, nn.Linear)  # noqa: S101 - for the type checker
    return UnitImportance(hidden, first.weight.norm(dim=1) * last.weight.norm(dim=0))


def strongest(importance: Tensor, keep: int) -> Tensor:
    """The `keep` most important units, ascending; of equal ones the first."""
    return torch.argsort(importance, descending=True, stable=True)[:keep].sort().values


def _last_of(feed: nn.Sequential) -> nn.Linear:
    last = feed[3]
    assert isinstance(last, nn.Linear)  # noqa: S101 - for the type checker
    return last
