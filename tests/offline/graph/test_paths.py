"""Paths over users as one matrix: the product of the two, and only where histories are short."""

import torch

from model.sparse import SparseMatrix
from offline.graph.paths import join_paths


def both_ways(users: list[list[int]], items: int) -> tuple[SparseMatrix, SparseMatrix]:
    """The means to users and to items of histories without repeats."""
    user = torch.tensor([place for place, history in enumerate(users) for _ in history])
    item = torch.tensor([row for history in users for row in history])
    weight = 1.0 + torch.arange(len(item)) % 3
    to_users = weight / torch.zeros(len(users)).index_add_(0, user, weight)[user]
    to_items = weight / torch.zeros(items).index_add_(0, item, weight)[item]
    return (
        SparseMatrix.of(user, item, to_users, (len(users), items)),
        SparseMatrix.of(item, user, to_items, (items, len(users))),
    )


def test_short_histories_are_joined_to_the_product_of_both_matrices() -> None:
    to_users, to_items = both_ways([[1, 2], [2, 3, 4], [], [4], [1, 3]], 6)
    joined = join_paths(to_users, to_items)
    assert joined is not None
    expected = to_items.matrix.to_dense() @ to_users.matrix.to_dense()
    torch.testing.assert_close(joined.matrix.to_dense(), expected)
    torch.testing.assert_close(joined.transposed.to_dense(), expected.T)
    features = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(joined @ features, to_items @ (to_users @ features))


def test_long_histories_go_over_their_users() -> None:
    assert join_paths(*both_ways([list(range(1, 30))] * 3, 31)) is None
