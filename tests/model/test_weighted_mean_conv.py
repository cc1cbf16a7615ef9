"""The convolution: a weighted mean over neighbours, whatever the order of the edges."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.sparse import SparseMatrix
from model.weighted_mean_conv import WeightedMeanConv

Edges = dict[tuple[int, int], float]

edges = st.dictionaries(
    st.tuples(st.integers(0, 5), st.integers(0, 3)), st.floats(0.125, 3.0, width=32), min_size=1, max_size=20
)


def relation(found: Edges, order: list[int]) -> SparseMatrix:
    """`[4 targets, 6 sources]`, its rows divided by their sums."""
    totals = {target: sum(weight for (_, other), weight in found.items() if other == target) for target in range(4)}
    listed = [(target, source, weight / totals[target]) for (source, target), weight in found.items()]
    target, source, weight = zip(*(listed[place] for place in order), strict=True)
    return SparseMatrix.of(torch.tensor(target), torch.tensor(source), torch.tensor(weight), (4, 6))


def one_by_one(found: Edges, features: Tensor) -> Tensor:
    result = torch.zeros(4, features.shape[1])
    for target in range(4):
        mine = {source: weight for (source, other), weight in found.items() if other == target}
        for source, weight in mine.items():
            result[target] += weight / sum(mine.values()) * features[source]
    return result


@settings(deadline=None, max_examples=30)
@given(found=edges, data=st.data())
def test_messages_are_weighted_means_in_any_order_of_edges(found: Edges, data: st.DataObject) -> None:
    features = torch.randn(6, 5, generator=torch.Generator().manual_seed(1), requires_grad=True)
    order = data.draw(st.permutations(range(len(found))))
    conv = WeightedMeanConv()
    came = conv(features, relation(found, order))
    torch.testing.assert_close(came, one_by_one(found, features), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(came, conv(features, relation(found, list(range(len(found))))))
    expected = torch.autograd.grad(one_by_one(found, features).square().sum(), features)[0]
    gradient = torch.autograd.grad(came.square().sum(), features)[0]
    torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-5)


def test_targets_without_neighbours_get_zeros() -> None:
    came = WeightedMeanConv()(torch.ones(6, 2), relation({(2, 1): 1.0}, [0]))
    assert came.tolist() == [[0.0, 0.0], [1.0, 1.0], [0.0, 0.0], [0.0, 0.0]]


def test_a_layer_scales_with_its_weights_and_nothing_else() -> None:
    found = {(0, 0): 1.0, (1, 0): 3.0}
    larger = {place: 10 * weight for place, weight in found.items()}
    features = torch.randn(6, 3)
    conv = WeightedMeanConv()
    torch.testing.assert_close(conv(features, relation(found, [0, 1])), conv(features, relation(larger, [0, 1])))
