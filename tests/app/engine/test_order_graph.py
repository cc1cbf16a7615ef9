"""The ranker's order, read out of its graph."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.artifact import names
from app.engine.graph_cut import FLOAT, NotCut, Tensor, cut_graph
from app.engine.kernels.nearest import product_level
from app.engine.kernels.network import OrderNetwork
from app.engine.loading import read_warmup
from app.engine.order_graph import read_order
from app.engine.runtime import open_session
from app.engine.snapshot import Snapshot


@pytest.fixture(scope="module")
def order(snapshot: Snapshot) -> bytes:
    return cut_graph((snapshot.folder / names.RANK_GRAPH).read_bytes(), [Tensor(names.OUT_ORDER, FLOAT)])


def test_the_kernel_gives_what_the_graph_gives(snapshot: Snapshot, order: bytes) -> None:
    session = open_session(Path("order"), 1, order)
    network = read_order(order, session)
    features = np.random.default_rng(1).normal(size=(99, len(network.mean))).astype(np.float32)
    (expected,) = session.run((names.OUT_ORDER,), {names.IN_FEATURES: features})
    assert np.allclose(network.scores(features), expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    assert snapshot.ranker is not None
    assert isinstance(snapshot.ranker.order, OrderNetwork) == (product_level() > 0)


def test_an_objective_changes_the_order_of_no_other_request(snapshot: Snapshot) -> None:
    ranker, batch = snapshot.ranker, read_warmup(snapshot.folder).take(slice(0, 8))
    assert ranker is not None
    candidates = snapshot.retriever.run(batch, 30)
    alone = ranker.rank(batch, candidates, 30)
    objective = np.zeros(8, np.uint8)
    objective[::2] = 1
    mixed = ranker.rank(replace(batch, objective=objective), candidates, 30)
    assert alone.scores[1::2].tobytes() == mixed.scores[1::2].tobytes()
    assert np.array_equal(alone.rows[1::2], mixed.rows[1::2])


def test_another_network_stays_a_graph(snapshot: Snapshot, order: bytes) -> None:
    session = open_session(Path("order"), 1, order)
    with pytest.raises(NotCut, match="other steps"):
        read_order(order.replace(b"order_relu_1", b"order_relu_2"), session)
    with pytest.raises(NotCut, match="no order"):
        read_order(order[:-40], session)
    weights = read_order(order, session).first.tobytes()
    with pytest.raises(NotCut, match="another outcome"):
        read_order(order.replace(weights, (-np.frombuffer(weights, np.float32)).tobytes()), session)
