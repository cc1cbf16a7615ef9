"""A trained network on a graph that knows more events: what training never saw takes the way of an unknown id."""

from dataclasses import replace

import torch
from torch import nn

from model.item_tower import ItemGraph
from offline.errors import RunFolderError
from offline.training.trained import Trained


def grow(trained: Trained, graph: ItemGraph) -> Trained:
    """The network of `trained`, whose item tower is taken over, on `graph`; its weights stay as they are.

    Items that the graph adds get a row that is never read: like all items without an event in training they have the
    shared embedding that training gave to items whose id it had dropped. Relations that training lacked are left out.

    Args:
        trained: the final network.
        graph: of the same columns, with the items of `trained` in their rows and perhaps more behind them.

    Raises:
        RunFolderError: the graph lacks what the network learned from.
    """
    before = trained.graph
    lost = [*(name for name in before.behaviours if name not in graph.behaviours)]
    lost += ["co-occurrence"] * (before.item_items is not None and graph.item_items is None)
    if graph.items < before.items or lost:
        raise RunFolderError(
            f"expected a graph with at least the {before.items - 1} items and the relations of training, got "
            f"{graph.items - 1} items without {', '.join(lost) or 'nothing'}: run all stages again"
        )
    tower = trained.network.items
    added = graph.items - before.items
    tower.ids = nn.Parameter(torch.cat([tower.ids.detach(), tower.ids.new_zeros(added, tower.ids.shape[1])]))
    known = torch.cat([trained.known, trained.known.new_zeros(added)])
    behaviours = {name: graph.behaviours[name] for name in before.behaviours}
    return replace(trained, graph=replace(graph, behaviours=behaviours), known=known)
