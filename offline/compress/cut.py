"""Cut a trained network: fewer numbers in an item vector, fewer hidden units; nothing is trained here."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from model.network import Network
from offline.compress.importance import UnitImportance, strongest
from offline.compress.recipe import Recipe
from offline.training.trained import Trained


@torch.no_grad()
def cut_network(trained: Trained, recipe: Recipe, directions: Tensor, importance: UnitImportance) -> Trained:
    """The network with the cut applied, on the CPU, in eval mode; `trained` is left as it is.

    Args:
        trained: a network that is not cut.
        recipe: what is kept.
        directions: `[dim, dim]` from `principal_directions`, the first of which are kept.
        importance: of its hidden units, the strongest of which are kept.
    """
    old = trained.network
    network = Network(
        trained.graph, replace(old.shape, item_dim=recipe.item_dim, hidden=recipe.hidden, feed=recipe.feed)
    )
    weights = {name: value.detach().cpu().clone() for name, value in old.state_dict().items()}
    if recipe.item_dim is not None:
        kept = directions[: recipe.item_dim]
        weights["narrow.weight"] = weights["queries.narrow.weight"] = kept.clone()
        weights["queries.widen.weight"] = kept.T.clone()
    if recipe.hidden is not None:
        units = strongest(importance.hidden, recipe.hidden)
        _keep_units(weights, "queries.inner", "queries.outer", units)
    if recipe.feed is not None and importance.feed is not None:
        units = strongest(importance.feed, recipe.feed)
        _keep_units(weights, "queries.session.feed.0", "queries.session.feed.3", units)
    network.load_state_dict(weights)
    return replace(trained, network=network.eval())


def _keep_units(weights: dict[str, Tensor], inner: str, outer: str, units: Tensor) -> None:
    weights[f"{inner}.weight"] = weights[f"{inner}.weight"][units]
    weights[f"{inner}.bias"] = weights[f"{inner}.bias"][units]
    weights[f"{outer}.weight"] = weights[f"{outer}.weight"][:, units]


def hidden_units(network: Network) -> tuple[int, int | None]:
    """How many hidden units the query tower has, and the feed-forward part of its session encoder, if it has one."""
    session = network.queries.session
    if session is None:
        return network.queries.inner.out_features, None
    first = session.feed[0]
    assert isinstance(first, nn.Linear)  # noqa: S101 - for the type checker
    return network.queries.inner.out_features, first.out_features
