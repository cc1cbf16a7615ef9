"""The network as a whole: what its vectors mean, and that every parameter learns."""

from dataclasses import replace

import torch

from model.item_tower import ItemGraph
from model.losses import Targets, softmax_cross_entropy
from model.network import Network, NetworkShape
from model.sparse import SparseMatrix


@torch.no_grad()
def test_items_are_directions_of_length_one_and_positive_lengths(network: Network, graph: ItemGraph) -> None:
    units, lengths = network.item_vectors(graph, torch.ones(graph.items, dtype=torch.bool))
    torch.testing.assert_close(units.norm(dim=1), torch.ones(graph.items))
    assert lengths.shape == (graph.items,)
    assert (lengths > 0).all()


@torch.no_grad()
def test_an_item_never_seen_uses_the_shared_id_and_not_its_own(network: Network, graph: ItemGraph) -> None:
    known = torch.ones(graph.items, dtype=torch.bool)
    known[4] = False
    features = network.items(graph, known)
    network.items.ids[4] += 7.0
    torch.testing.assert_close(network.items(graph, known), features)
    assert not torch.allclose(network.items(graph, torch.ones_like(known))[4], features[4])
    network.items.unseen += 1.0
    assert not torch.allclose(network.items(graph, known)[4], features[4])


@torch.no_grad()
def test_two_cold_items_differ_by_their_text_alone(network: Network, graph: ItemGraph) -> None:
    alone = replace(graph, item_items=None, item_attributes=None, behaviours={})
    network = Network(alone, _shape(network))
    features = network.eval().items(alone, torch.zeros(graph.items, dtype=torch.bool))
    text = graph.text.matrix.to_dense() if graph.text else torch.zeros(0)
    for one in range(graph.items):
        for other in range(one):
            same = torch.equal(text[one], text[other])
            assert torch.allclose(features[one], features[other], atol=1e-5) == same


def test_ids_are_dropped_in_training_only(network: Network, graph: ItemGraph) -> None:
    known = torch.ones(graph.items, dtype=torch.bool)
    with torch.no_grad():
        torch.testing.assert_close(network.items(graph, known), network.items(graph, known))
        network.train()
        torch.manual_seed(1)
        drawn = [network.items(graph, known) for _ in range(2)]
        assert not torch.allclose(*drawn)


@torch.no_grad()
def test_an_item_dropped_in_training_is_one_that_nobody_has_touched(network: Network, graph: ItemGraph) -> None:
    network.items.id_dropout = 1.0
    everybody = torch.ones(graph.items, dtype=torch.bool)
    untouched = replace(graph, item_items=_emptied(graph.item_items))
    untouched = replace(
        untouched, behaviours={name: (users, _emptied(items)) for name, (users, items) in graph.behaviours.items()}
    )
    dropped = network.train().items(graph, everybody)
    network.items.id_dropout = 0.0
    torch.testing.assert_close(dropped, network.items(untouched, ~everybody))


@torch.no_grad()
def test_paths_over_users_as_one_matrix_give_what_two_passes_give(network: Network, graph: ItemGraph) -> None:
    joined = {}
    for name, (users, items) in graph.behaviours.items():
        product = items.matrix.to_dense() @ users.matrix.to_dense()
        row, column = product.nonzero(as_tuple=True)
        joined[name] = SparseMatrix.of(row, column, product[row, column], tuple(product.shape))
    known = torch.ones(graph.items, dtype=torch.bool)
    torch.testing.assert_close(network.items(replace(graph, joined=joined), known), network.items(graph, known))
    silent = replace(graph, joined={name: _emptied(matrix) for name, matrix in joined.items()})
    assert not torch.allclose(network.items(silent, known), network.items(graph, known))


@torch.no_grad()
def test_an_item_never_seen_is_as_long_as_the_others_on_average(network: Network, graph: ItemGraph) -> None:
    known = torch.ones(graph.items, dtype=torch.bool)
    known[[0, 4]] = False
    _, lengths = network.item_vectors(graph, known)
    torch.testing.assert_close(lengths[4], lengths[known].mean())
    _, lengths = network.item_vectors(graph, torch.zeros_like(known))
    assert (lengths > 0).all()
    assert lengths[1:].std() > 0  # where nobody was ever seen, there is no such average


def test_the_gradient_reaches_every_parameter(network: Network, graph: ItemGraph) -> None:
    known = torch.ones(graph.items, dtype=torch.bool)
    known[8] = False
    units, lengths = network.item_vectors(graph, known)
    draw = torch.Generator().manual_seed(0)
    rows = torch.randint(1, graph.items, (12, 6), generator=draw)
    types = torch.randint(1, 4, (12, 6), generator=draw)
    ages = torch.randint(0, 5, (12, 6, 6), generator=draw)
    queries = network.queries(units[rows], types, ages, torch.zeros(12, 8), torch.zeros(12, 1)).reshape(-1, 8)
    wanted = torch.randint(1, graph.items, (72,), generator=draw)
    targets = Targets(torch.arange(72), wanted, torch.ones(72))
    softmax_cross_entropy(queries, units * lengths[:, None], targets, low_precision=False).backward()
    silent = {name for name, value in network.named_parameters() if value.grad is None or not value.grad.any()}
    assert silent == (set() if network.queries.ordered else {"queries.distance_weight"})


def test_a_network_without_text_attributes_and_edges_still_works(network: Network, graph: ItemGraph) -> None:
    bare = ItemGraph(graph.items, 0, graph.text_buckets, None, None, None)
    made = Network(bare, _shape(network))
    units, _ = made.item_vectors(bare, torch.ones(graph.items, dtype=torch.bool))
    assert units.shape == (graph.items, 8)
    assert made.items.text is None
    assert made.items.attributes is None


def test_edges_change_what_an_item_is(network: Network, graph: ItemGraph) -> None:
    known = torch.ones(graph.items, dtype=torch.bool)
    with torch.no_grad():
        features = network.items(graph, known)
        network.items.ids[3] += 1.0
        moved = (network.items(graph, known) - features).abs().sum(dim=1) > 1e-5
    assert graph.item_items is not None
    neighbours = graph.item_items.matrix.to_dense()[:, 3] > 0
    assert moved[3]
    assert moved[neighbours].all()


def _emptied(matrix: SparseMatrix | None) -> SparseMatrix:
    assert matrix is not None
    none = torch.zeros(0, dtype=torch.int64)
    return SparseMatrix.of(none, none, torch.zeros(0), tuple(matrix.matrix.shape))


def _shape(network: Network) -> NetworkShape:
    queries = network.queries
    return NetworkShape(8, queries.window, 2, 2, types=4, ages=5, ordered=queries.ordered, dropout=0.1, id_dropout=0.2)
