"""Cuts of a trained network: what must not change does not, and the exported graph says what the network says."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_up_meta import made_up_meta

from app.artifact import names
from app.engine.runtime import open_session
from model.item_tower import ItemGraph
from model.network import Network, NetworkShape
from model.sparse import SparseMatrix
from offline.compress.cut import cut_network, hidden_units
from offline.compress.importance import UnitImportance, strongest, unit_importance, weight_importance
from offline.compress.recipe import Recipe
from offline.compress.rotation import principal_directions
from offline.dataset.histories import Histories
from offline.export.item_tables import item_table
from offline.export.retrieve_graph import write_search
from offline.export.tower_graph import export_tower
from offline.training.settings import choose_settings
from offline.training.trained import Trained, load_trained, save_trained

ITEMS, DIM, WINDOW = 40, 16, 6
Ask = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


@pytest.fixture(params=[True, False], ids=["ordered", "unordered"])
def trained(request: pytest.FixtureRequest) -> Trained:
    """A network whose every parameter has been moved off its start, so that nothing is silent."""
    torch.manual_seed(0)
    row = torch.arange(1, ITEMS)
    text = SparseMatrix.of(row, row % 7, torch.ones(ITEMS - 1), (ITEMS, 7))
    graph = ItemGraph(ITEMS, 0, 7, text, None, None)
    meta = made_up_meta({"events": 10}, has_order=request.param, has_time=True)
    settings = choose_settings(meta, 0, {"dim": DIM, "window": WINDOW})
    network = Network(graph, settings.shape())
    with torch.no_grad():
        for value in network.parameters():
            value.add_(0.2 * torch.randn(value.shape))
    return Trained(network.eval(), graph, torch.ones(ITEMS, dtype=torch.bool), settings, {"parts": ["train"]})


def directions_of(trained: Trained) -> torch.Tensor:
    units, _ = trained.network.wide_vectors(trained.graph, trained.known)
    return principal_directions(units.detach(), torch.arange(ITEMS).float())


def cut_by(trained: Trained, recipe: Recipe) -> Trained:
    return cut_network(trained, recipe, directions_of(trained), weight_importance(trained.network.queries))


@torch.no_grad()
def asked(trained: Trained, requests: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    """Queries and the scores of all items, of random histories with padding and an older past."""
    draw = torch.Generator().manual_seed(3)
    rows = torch.randint(1, ITEMS, (requests, WINDOW), generator=draw)
    rows[0, :4] = 0
    types = (rows > 0).long()
    ages = torch.randint(0, 5, (requests, 1, WINDOW), generator=draw)
    units, lengths = trained.network.item_vectors(trained.graph, trained.known)
    long = torch.where(torch.arange(requests)[:, None] % 2 == 0, 2.0 * units[3] + units[5], torch.zeros(1))
    weight = torch.where(torch.arange(requests)[:, None] % 2 == 0, 3.0, 0.0)
    queries = trained.network.queries(units[rows] * types[:, :, None], types, ages, long, weight)[:, 0]
    return queries, queries @ (units * lengths[:, None]).T


def test_directions_are_orthonormal_and_the_first_carries_most() -> None:
    torch.manual_seed(1)
    vectors = torch.randn(100, 6) * torch.tensor([1.0, 5.0, 2.0, 0.1, 3.0, 0.5])
    found = principal_directions(vectors, torch.ones(100))
    torch.testing.assert_close(found @ found.T, torch.eye(6), atol=1e-5, rtol=0)
    carried = (vectors @ found.T).square().sum(dim=0)
    assert (carried.diff() <= 0).all()
    assert found[0].abs().argmax() == 1


def test_weights_move_the_directions_to_the_items_that_are_asked_for() -> None:
    vectors = torch.eye(4)
    assert principal_directions(vectors, torch.tensor([0.0, 0.0, 1.0, 0.5]))[:2].abs().argmax(dim=1).tolist() == [2, 3]


def test_rotation_without_truncation_changes_nothing(trained: Trained) -> None:
    _, before = asked(trained)
    _, after = asked(cut_by(trained, Recipe(item_dim=DIM)))
    torch.testing.assert_close(after, before, atol=2e-4, rtol=1e-4)


def test_truncated_items_are_unit_vectors_whose_scores_are_those_of_the_projections(trained: Trained) -> None:
    cut = cut_by(trained, Recipe(item_dim=8))
    wide, lengths = trained.network.wide_vectors(trained.graph, trained.known)
    units, kept = cut.network.item_vectors(cut.graph, cut.known)
    assert units.shape == (ITEMS, 8)
    torch.testing.assert_close(units.norm(dim=1), torch.ones(ITEMS))
    torch.testing.assert_close(units * kept[:, None], wide @ directions_of(trained)[:8].T * lengths[:, None])


def test_units_that_contribute_nothing_can_go(trained: Trained) -> None:
    tower = trained.network.queries
    with torch.no_grad():
        tower.outer.weight[:, ::2] = 0.0
        if tower.session is not None:
            tower.session.feed[3].weight[:, 1::2] = 0.0
    before = asked(trained)
    hidden, feed = hidden_units(trained.network)
    cut = cut_by(trained, Recipe(hidden=hidden // 2, feed=None if feed is None else feed // 2))
    assert hidden_units(cut.network) == (hidden // 2, None if feed is None else feed // 2)
    for came, expected in zip(asked(cut), before, strict=True):
        torch.testing.assert_close(came, expected)


def test_importance_is_what_a_unit_adds_to_the_output(trained: Trained) -> None:
    tower = trained.network.queries
    rng = np.random.default_rng(2)
    histories = Histories(
        np.arange(0, 33, 4), rng.integers(1, ITEMS, 32).astype(np.int32), np.ones(32, np.uint8), np.arange(32.0)
    )
    units, _ = trained.network.item_vectors(trained.graph, trained.known)
    now = np.full(8, 40.0)
    seen: list[torch.Tensor] = []
    with tower.outer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0][:, 0])):
        found = unit_importance(tower, units.detach(), histories, now)
    adds = torch.cat(seen)[:, :, None] * tower.outer.weight.T[None]  # [queries, hidden, dim]
    torch.testing.assert_close(found.hidden, adds.detach().square().sum(dim=2).mean(dim=0).sqrt())
    assert (found.feed is None) == (tower.session is None)


def test_of_equally_important_units_the_first_stay() -> None:
    assert strongest(torch.tensor([1.0, 3.0, 1.0, 1.0]), 2).tolist() == [0, 1]


@pytest.mark.slow
def test_exported_graph_answers_like_the_cut_network_alone_and_in_any_batch(trained: Trained, tmp_path: Path) -> None:
    cut = cut_by(trained, Recipe(item_dim=8, hidden=8, feed=8 if trained.settings.ordered else None))
    table = item_table(cut, 8)
    tower = export_tower(cut.network.queries, table.vectors.shape[1])
    write_search(tmp_path / "g.onnx", tower, table.vectors, table.score_scales, 1)
    session = open_session(tmp_path / "g.onnx", 1)
    rng = np.random.default_rng(4)
    rows = rng.integers(0, ITEMS, (33, WINDOW))
    rows[:, -1] = rng.integers(1, ITEMS, 33)
    real = table.real()
    feeds: dict[str, Any] = {
        names.IN_EVENT_VECTORS: real[rows],
        names.IN_EVENT_TYPES: (rows > 0).astype(np.int64),
        names.IN_AGE_BUCKETS: rng.integers(0, 5, rows.shape),
        names.IN_LONG_VECTOR: rng.normal(size=(33, real.shape[1])).astype(np.float32),
        names.IN_LONG_WEIGHT: rng.random((33, 1)).astype(np.float32),
        names.IN_GIVEN_QUERY: np.zeros((33, real.shape[1]), np.float32),
        names.IN_GIVEN: np.zeros((33, 1), bool),
        names.IN_EXCLUDE_ROWS: np.zeros((33, 1), np.int64),
    }
    shared = {
        names.IN_ITEM_MASK: np.arange(len(real))[None] % ITEMS > 0,
        names.IN_TOP_K: np.array([10], np.int64),
    }
    outputs = (names.OUT_SCORES, names.OUT_ROWS, names.OUT_QUERY)
    together = session.run(outputs, feeds | shared)
    with torch.no_grad():
        inputs = [torch.from_numpy(np.asarray(feeds[name])) for name in list(feeds)[:5]]
        queries = cut.network.queries(inputs[0], inputs[1], inputs[2][:, None], *inputs[3:])[:, 0]
    np.testing.assert_allclose(together[2], queries.numpy(), atol=2e-4)
    for line in range(33):
        alone = session.run(outputs, {name: value[line : line + 1] for name, value in feeds.items()} | shared)
        some = session.run(outputs, {name: value[line : line + 3] for name, value in feeds.items()} | shared)
        for whole, one, few in zip(together, alone, some, strict=True):
            assert np.array_equal(whole[line], one[0])
            assert np.array_equal(whole[line], few[0])


def test_cut_network_is_taken_up_again_from_its_folder(
    trained: Trained, tmp_path: Path, write_split: Callable[..., Path]
) -> None:
    split = write_split(tmp_path / "split", train=[(0, row, 1, None) for row in range(1, ITEMS)], items=ITEMS - 1)
    cut = cut_by(trained, Recipe(item_dim=8, hidden=8))
    save_trained(cut, tmp_path / "cut")
    again = load_trained(split, trained.graph, tmp_path / "cut")
    assert again.network.shape == cut.network.shape == replace(trained.network.shape, item_dim=8, hidden=8)
    again = replace(again, known=cut.known)
    assert torch.equal(asked(again)[1], asked(cut)[1])


def test_a_network_is_as_before_where_nothing_is_cut(trained: Trained) -> None:
    assert isinstance(trained.network.shape, NetworkShape)
    assert torch.equal(asked(cut_by(trained, Recipe()))[1], asked(trained)[1])
    assert isinstance(weight_importance(trained.network.queries), UnitImportance)


@pytest.mark.parametrize(("bits", "limit", "error"), [(8, 127, 0.005), (7, 63, 0.01)])
def test_cut_vectors_are_quantised_to_the_bits_asked_for(trained: Trained, bits: int, limit: int, error: float) -> None:
    cut = cut_by(trained, Recipe(item_dim=8))
    table, whole = item_table(cut, bits), item_table(cut, 32)
    assert np.abs(table.vectors).max() == limit
    np.testing.assert_allclose(table.real(), whole.vectors, atol=error)
    np.testing.assert_allclose(
        table.vectors * table.score_scales[:, None], whole.vectors * whole.score_scales[:, None], atol=3 * error
    )
