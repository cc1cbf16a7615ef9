"""Paths from item to user to item as one matrix, where that is quicker than two passes of messages."""

import warnings

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from model.sparse import SparseMatrix

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
    product = (_scipy(to_items.matrix) @ _scipy(to_users.matrix)).tocsr()
    if product.nnz > _MOST_ENTRIES * (2 * edges + reached):
        return None
    product.sort_indices()
    return SparseMatrix(_torch(product), _torch(product.T.tocsr()))


def _scipy(matrix: Tensor) -> sp.csr_matrix:
    parts = (matrix.values().numpy(), matrix.col_indices().numpy(), matrix.crow_indices().numpy())
    return sp.csr_matrix(parts, shape=tuple(matrix.shape))


def _torch(matrix: sp.csr_matrix) -> Tensor:
    matrix.sort_indices()
    offsets, columns = (torch.from_numpy(part.astype(np.int64)) for part in (matrix.indptr, matrix.indices))
    with warnings.catch_warnings():  # torch announces that its compressed layout is in beta
        warnings.filterwarnings("ignore", message="Sparse CSR")
        weights = torch.from_numpy(matrix.data)
        return torch.sparse_csr_tensor(offsets, columns, weights, matrix.shape, check_invariants=False)
