"""Sparse products: value and gradient of the dense ones."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.sparse import SparseMatrix


@settings(deadline=None, max_examples=40)
@given(
    entries=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6), st.floats(-2, 2, width=32)), max_size=25),
    seed=st.integers(0, 100),
)
def test_product_and_gradient_equal_the_dense_ones(entries: list[tuple[int, int, float]], seed: int) -> None:
    row, column, weight = (list(part) for part in zip(*entries, strict=True)) if entries else ([], [], [])
    dense = torch.zeros(5, 7)
    for one, other, value in entries:
        dense[one, other] += value
    place = (torch.tensor(row, dtype=torch.int64), torch.tensor(column, dtype=torch.int64))
    matrix = SparseMatrix.of(*place, torch.tensor(weight, dtype=torch.float32), (5, 7))
    torch.testing.assert_close(matrix.matrix.to_dense(), dense)
    torch.testing.assert_close(matrix.transposed.to_dense(), dense.T)
    features = torch.randn(7, 3, generator=torch.Generator().manual_seed(seed), requires_grad=True)
    came, expected = matrix @ features, dense @ features
    torch.testing.assert_close(came, expected)
    upstream = torch.randn(3, 5, generator=torch.Generator().manual_seed(seed + 1)).T  # not contiguous
    torch.testing.assert_close(
        torch.autograd.grad(came, features, upstream)[0], torch.autograd.grad(expected, features, upstream)[0]
    )


def test_a_matrix_moved_to_the_same_device_is_the_same() -> None:
    matrix = SparseMatrix.of(torch.tensor([0, 1]), torch.tensor([1, 0]), torch.tensor([2.0, 3.0]), (2, 2))
    moved = matrix.to(torch.device("cpu"))
    assert torch.equal(moved @ torch.eye(2), matrix @ torch.eye(2))
