"""Paths from item to user to item as one matrix, where that is quicker than two passes of messages."""

from model.sparse import SparseMatrix, to_scipy

_MOST_PATHS = 8
"""For each edge, before paths with the same ends are joined: more are not looked at, for their memory."""
_MOST_ENTRIES = 2.0
"""For each edge and each user: an entry between items costs less, since users' vectors are many and lie apart."""


def join_paths(to_users: SparseMatrix, to_items: SparseMatrix) -> SparseMatrix | None:
    """`[items, items]`, the product of `[items, users]` and `[users, items]`; None where two passes are as quick.

    Short histories give few paths, long ones too many.
    """
    edges = to_users.matrix.values().numel()
    lengths = to_users.matrix.crow_indices().diff().double()
    reached = int((lengths > 0).sum())
    if float((lengths**2).sum()) > _MOST_PATHS * edges:
        return None
    product = (to_scipy(to_items.matrix) @ to_scipy(to_users.matrix)).tocsr()
    if product.nnz > _MOST_ENTRIES * (2 * edges + reached):
        return None
    return SparseMatrix.of_scipy(product)
