"""A small graph and its network, for the tests of the parts."""

import pytest
import torch

from model.item_tower import ItemGraph
from model.network import Network, NetworkShape
from model.sparse import SparseMatrix

ITEMS, USERS, ATTRIBUTES, BUCKETS = 9, 5, 4, 12


def relation(rows: int, columns: int, seed: int) -> SparseMatrix:
    """Random means: rows that sum to 1, some empty."""
    draw = torch.Generator().manual_seed(seed)
    dense = torch.rand(rows, columns, generator=draw) * (torch.rand(rows, columns, generator=draw) < 0.5)
    dense[0] = 0.0
    dense = dense / dense.sum(dim=1, keepdim=True).clamp(min=1e-9)
    row, column = dense.nonzero(as_tuple=True)
    return SparseMatrix.of(row, column, dense[row, column], (rows, columns))


@pytest.fixture
def graph() -> ItemGraph:
    """All kinds of relations, on a few nodes."""
    return ItemGraph(
        items=ITEMS,
        attributes=ATTRIBUTES,
        text_buckets=BUCKETS,
        text=relation(ITEMS, BUCKETS, 1),
        item_attributes=relation(ITEMS, ATTRIBUTES, 2),
        item_items=relation(ITEMS, ITEMS, 3),
        behaviours={
            "view": (relation(USERS, ITEMS, 4), relation(ITEMS, USERS, 5)),
            "purchase": (relation(USERS, ITEMS, 6), relation(ITEMS, USERS, 7)),
        },
    )


@pytest.fixture(params=[True, False], ids=["ordered", "unordered"])
def network(request: pytest.FixtureRequest, graph: ItemGraph) -> Network:
    """An untrained network whose every parameter has been moved off its start, so that nothing is silent."""
    torch.manual_seed(0)
    shape = NetworkShape(8, 6, 2, 2, types=4, ages=5, ordered=request.param, dropout=0.1, id_dropout=0.2)
    made = Network(graph, shape)
    with torch.no_grad():
        for value in made.parameters():
            value.add_(0.1 * torch.randn(value.shape))
    return made.eval()
