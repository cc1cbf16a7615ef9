"""A step that leaves out what no message reaches computes what one over all items does."""

from dataclasses import replace

import pytest
import torch
from made_up_meta import made_up_meta
from torch import Tensor

from model.item_tower import ItemGraph
from model.losses import Targets
from model.network import Network, NetworkShape
from model.sparse import SparseMatrix
from offline.training import step_items as module
from offline.training.batches import SetBatch
from offline.training.settings import choose_settings
from offline.training.step_items import AllItems, LinkedItems, StepItems, step_items
from offline.training.step_loss import Negatives, batch_loss

ITEMS, LINKED, USERS = 14, 6, 5
KNOWN = torch.arange(ITEMS) % ITEMS < LINKED + 1
KNOWN[0] = False
FREQUENCY = torch.where(KNOWN, torch.arange(ITEMS).float(), 0.0)
SETTINGS = choose_settings(made_up_meta({"events": 50, "users": USERS}), 0)


def between(rows: int, columns: int, seed: int, *, linked_rows: int, linked_columns: int) -> SparseMatrix:
    draw = torch.Generator().manual_seed(seed)
    dense = torch.zeros(rows, columns)
    dense[:linked_rows, :linked_columns] = torch.rand(linked_rows, linked_columns, generator=draw)
    dense[0] = 0.0
    dense = dense * (dense > 0.4)
    row, column = dense.nonzero(as_tuple=True)
    return SparseMatrix.of(row, column, dense[row, column], (rows, columns))


@pytest.fixture
def graph() -> ItemGraph:
    """Messages between the first items alone; the last known one gets none."""
    return ItemGraph(
        items=ITEMS,
        attributes=4,
        text_buckets=12,
        text=between(ITEMS, 12, 1, linked_rows=ITEMS, linked_columns=12),
        item_attributes=between(ITEMS, 4, 2, linked_rows=ITEMS, linked_columns=4),
        item_items=between(ITEMS, ITEMS, 3, linked_rows=LINKED, linked_columns=LINKED),
        behaviours={
            "view": (
                between(USERS, ITEMS, 4, linked_rows=USERS, linked_columns=LINKED),
                between(ITEMS, USERS, 5, linked_rows=LINKED, linked_columns=USERS),
            )
        },
        query_text=between(3, 12, 6, linked_rows=3, linked_columns=12),
        item_queries=between(ITEMS, 3, 7, linked_rows=LINKED, linked_columns=3),
    )


@pytest.fixture
def network(graph: ItemGraph) -> Network:
    torch.manual_seed(0)
    shape = NetworkShape(8, 6, 2, 2, types=4, ages=5, ordered=False, dropout=0.0, id_dropout=0.0)
    made = Network(graph, shape)
    with torch.no_grad():
        for value in made.parameters():
            value.add_(0.1 * torch.randn(value.shape))
    return made.eval()


def histories() -> SetBatch:
    rows = torch.tensor([1, 2, 3, 4, 5, 6])
    line = torch.tensor([0, 0, 0, 1, 1, 1])
    return SetBatch(rows, torch.ones(6, dtype=torch.int64), torch.tensor([0, 3]), Targets(line, rows, torch.ones(6)))


def linked_items(graph: ItemGraph, draws: int = 1_000) -> LinkedItems:
    return LinkedItems(graph, KNOWN, FREQUENCY, draws)


def gradients(network: Network, step: StepItems, frequency: Tensor | Negatives) -> tuple[Tensor, dict[str, Tensor]]:
    assert step.batch is not None
    network.zero_grad()
    loss = batch_loss(network.queries, step.units, step.lengths, frequency, step.batch, SETTINGS)
    loss.backward()  # type: ignore[no-untyped-call]
    named = network.named_parameters()
    return loss.detach(), {name: value.grad.clone() for name, value in named if value.grad is not None}


def test_vectors_and_examples_are_those_of_all_items(network: Network, graph: ItemGraph) -> None:
    whole = AllItems(graph, KNOWN, FREQUENCY).step(network, histories(), None, None)
    part = linked_items(graph).step(network, histories(), None, None)  # so many draws hold every item
    assert len(part.units) == ITEMS
    assert whole.batch is not None
    assert part.batch is not None
    torch.testing.assert_close(part.units[part.batch.rows], whole.units[whole.batch.rows])
    torch.testing.assert_close(part.units[part.batch.targets.item], whole.units[whole.batch.targets.item])
    torch.testing.assert_close(part.lengths[part.batch.rows], whole.lengths[whole.batch.rows])
    torch.testing.assert_close(part.lengths.sort().values, whole.lengths.sort().values)


def test_loss_and_gradients_are_those_of_all_items(network: Network, graph: ItemGraph) -> None:
    drawn = torch.tensor([3, 9, 9, 12, 5])
    everything = torch.arange(ITEMS)
    linked = linked_items(graph)
    linked._draw = lambda: torch.cat([drawn, everything])  # type: ignore[method-assign]
    part = linked.step(network, histories(), None, None)
    assert isinstance(part.frequencies[0], Negatives)
    loss, came = gradients(network, part, part.frequencies[0])
    whole = AllItems(graph, KNOWN, FREQUENCY).step(network, histories(), None, None)
    negatives = Negatives(torch.cat([drawn, everything]), 0.5 * FREQUENCY / FREQUENCY.sum() + 0.5 / ITEMS)
    expected_loss, expected = gradients(network, whole, negatives)
    torch.testing.assert_close(loss, expected_loss)
    assert came.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(came[name], value)


def test_items_that_were_not_drawn_are_not_computed(network: Network, graph: ItemGraph) -> None:
    step = linked_items(graph, draws=2).step(network, histories(), None, None)
    assert LINKED < len(step.units) < ITEMS
    assert step.batch is not None
    assert int(step.batch.rows.max()) < len(step.units)


def test_a_part_of_a_catalogue_is_computed_where_most_is_beyond_any_message(
    graph: ItemGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampled = replace(SETTINGS, full_softmax_items=ITEMS - 1)
    assert isinstance(step_items(graph, KNOWN, FREQUENCY, sampled), AllItems)
    monkeypatch.setattr(module, "MANY_ALONE", 7)
    assert isinstance(step_items(graph, KNOWN, FREQUENCY, sampled), LinkedItems)
    assert isinstance(step_items(graph, KNOWN, FREQUENCY, SETTINGS), AllItems)
    assert isinstance(step_items(graph, torch.ones(ITEMS, dtype=torch.bool), FREQUENCY, sampled), AllItems)
