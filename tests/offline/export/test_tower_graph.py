"""A tower that is put into the graph of another one is the tower that it would have been alone."""

from collections.abc import Iterator
from typing import Any

import onnx
import pytest
import torch

from model.query_tower import QueryTower, QueryTowerShape
from offline.export import tower_graph
from offline.export.tower_graph import export_tower

DIM = 8


@pytest.fixture(autouse=True)
def nothing_captured() -> Iterator[None]:
    """What other tests exported is out of sight."""
    before = dict(tower_graph._captured)
    tower_graph._captured.clear()
    yield
    tower_graph._captured.clear()
    tower_graph._captured.update(before)


def tower_of(seed: int, **parts: Any) -> QueryTower:
    torch.manual_seed(seed)
    made = QueryTower(QueryTowerShape(DIM, 2, 5, 3, 4, **{"dropout": 0.1, "ordered": False} | parts))
    with torch.no_grad():
        for value in made.parameters():
            value.add_(0.1 * torch.randn(value.shape))
    return made.eval()


def exported(tower: QueryTower, dim: int = DIM) -> onnx.ModelProto:
    """The graph of a tower. No number is drawn for it."""
    state = torch.random.get_rng_state()
    graph = export_tower(tower, dim)
    assert torch.equal(torch.random.get_rng_state(), state)
    return graph


def content(model: onnx.ModelProto) -> bytes:
    """All but the names of nodes, which the exporter numbers on and on."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for node in copy.graph.node:
        node.name = ""
    return bytes(copy.SerializeToString())


@pytest.mark.slow
@pytest.mark.parametrize("parts", [{}, {"ordered": True, "item_dim": 4}], ids=["unordered", "ordered and cut"])
def test_the_tower_before_leaves_nothing_in_the_graph(parts: dict[str, Any]) -> None:
    first, second = tower_of(1, **parts), tower_of(2, **parts, dropout=0.4, temperature=0.12)
    dim = parts.get("item_dim", DIM)
    before = content(exported(first, dim))
    behind = content(exported(second, dim))
    assert len(tower_graph._captured) == 1
    again = content(exported(first, dim))
    tower_graph._captured.clear()
    assert behind == content(exported(second, dim))
    assert before == again != behind


@pytest.mark.slow
def test_towers_of_other_shapes_have_graphs_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tower_graph, "_KEPT", 1)
    graphs = [exported(tower_of(1, hidden=hidden)) for hidden in (8, 12, 8)]
    shapes = [sorted(tuple(tensor.dims) for tensor in graph.graph.initializer) for graph in graphs]
    assert shapes[0] == shapes[2] != shapes[1]
    assert len(tower_graph._captured) == 1
