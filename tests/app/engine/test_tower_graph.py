"""The query tower's weights, read out of its graph."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from app.artifact.event_features import AGE_BUCKETS
from app.engine.graph_cut import NotCut
from app.engine.kernels.library import library
from app.engine.kernels.tower import Tower
from app.engine.retriever import Retriever, SplitGraph
from app.engine.runtime import open_session
from app.engine.snapshot import Snapshot
from app.engine.tower_graph import read_tower
from model.query_tower import QueryTower, QueryTowerShape
from offline.export.tower_graph import export_tower

SHAPE = QueryTowerShape(dim=32, heads=2, window=9, types=4, ages=AGE_BUCKETS, dropout=0.1, ordered=True)


@cache
def model_of(shape: QueryTowerShape) -> bytes:
    """The graph of a tower with drawn weights, with the output that a bundle's has."""
    torch.manual_seed(0)
    tower = QueryTower(shape)
    with torch.no_grad():
        for weight in tower.parameters():
            weight.add_(torch.randn_like(weight), alpha=0.2)
    graph = export_tower(tower, shape.item_dim or shape.dim)
    graph.graph.output[0].name = "query_vector"
    for node in graph.graph.node:
        for place, name in enumerate(node.output):
            node.output[place] = "query_vector" if name == "tower_query" else name
    model: bytes = graph.SerializeToString()
    return model


Change = Callable[[QueryTowerShape], QueryTowerShape]


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        lambda shape: shape,
        lambda shape: replace(shape, typed=False, timed=False, heads=4),
        lambda shape: replace(shape, hidden=16, feed=48, window=1),
    ],
)
def test_the_kernel_gives_what_the_graph_gives(change: Change) -> None:
    model = model_of(change(SHAPE))
    assert isinstance(read_tower(model, open_session(Path("tower"), 1, model)), Tower)


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        lambda shape: replace(shape, ordered=False),
        lambda shape: replace(shape, attention=False),
        lambda shape: replace(shape, aggregation=False),
        lambda shape: replace(shape, item_dim=16),
        lambda shape: replace(shape, dim=24),
    ],
)
def test_another_network_stays_a_graph(change: Change) -> None:
    model = model_of(change(SHAPE))
    with pytest.raises(NotCut):
        read_tower(model, open_session(Path("tower"), 1, model))


def test_no_model_is_no_tower() -> None:
    model = model_of(SHAPE)
    session = open_session(Path("tower"), 1, model)
    for no_model in (b"", b"no model", model[:1_000], b"\xff" * 99):
        with pytest.raises(NotCut):
            read_tower(no_model, session)


def test_weights_that_give_something_else_are_not_used() -> None:
    model = model_of(SHAPE)
    other = open_session(Path("tower"), 1, model_of(replace(SHAPE, typed=False, timed=False, heads=4)))
    with pytest.raises(NotCut, match="another outcome"):
        read_tower(model, other)


@pytest.mark.skipif(library() is None, reason="no compiled kernels")
def test_a_bundle_is_served_by_the_kernel(snapshot: Snapshot) -> None:
    assert isinstance(snapshot.retriever, Retriever)
    assert isinstance(snapshot.retriever.graph, SplitGraph)
    assert isinstance(snapshot.retriever.graph.tower, Tower)
    assert np.isfinite(snapshot.retriever.graph.tower.weights.event_weights).all()
