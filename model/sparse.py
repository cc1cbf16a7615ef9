"""Products of a constant sparse matrix with dense features, with the gradient that the dense side needs."""

import warnings
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor
from torch.nn import functional


class SparseMatrix:
    """A constant matrix `[rows, columns]` in compressed rows, and its transpose for the backward pass.

    Args:
        matrix: in compressed rows.
        transposed: the same; made when it is first asked for if left out, since only training needs it.
    """

    def __init__(self, matrix: Tensor, transposed: Tensor | None = None) -> None:
        self.matrix = matrix
        self._transposed = transposed

    @classmethod
    def of(cls, row: Tensor, column: Tensor, weight: Tensor, shape: tuple[int, int]) -> "SparseMatrix":
        """From coordinates; entries at the same place add up.

        By counting rather than sorting: entries fall into their columns, and these one after the other into the rows.
        """
        entries = (weight.numpy(), (column.numpy(), row.numpy()))
        by_column = sp.coo_array(entries, shape=shape[::-1]).tocsr()
        return cls.of_scipy(by_column.T.tocsr())

    @classmethod
    def of_scipy(cls, matrix: Any) -> "SparseMatrix":
        """From scipy's compressed rows; entries at the same place add up."""
        matrix.sum_duplicates()
        return cls(_torch(matrix))

    @property
    def transposed(self) -> Tensor:
        """`[columns, rows]` in compressed rows."""
        if self._transposed is None:
            self._transposed = _torch(to_scipy(self.matrix).T.tocsr()).to(self.matrix.device)
        return self._transposed

    def take(self, rows: Tensor) -> "SparseMatrix":
        """The chosen rows, in that order."""
        return SparseMatrix(_torch(to_scipy(self.matrix)[rows.cpu().numpy()]).to(self.matrix.device))

    def take_columns(self, columns: Tensor) -> "SparseMatrix":
        """The chosen columns, in that order."""
        return SparseMatrix(_torch(to_scipy(self.matrix)[:, columns.cpu().numpy()]).to(self.matrix.device))

    def to(self, device: torch.device) -> "SparseMatrix":
        """The same matrix on a device."""
        if self.matrix.device == device:
            return self
        return SparseMatrix(self.matrix.to(device), None if self._transposed is None else self._transposed.to(device))

    def __matmul__(self, dense: Tensor) -> Tensor:
        result: Tensor = _Product.apply(self, dense)  # type: ignore[no-untyped-call]
        return result


class _Product(torch.autograd.Function):
    """`A @ x`; the gradient is `A^T @ g`, with `A^T` stored, since torch would build it again at every step."""

    @staticmethod
    def forward(ctx: Any, matrix: SparseMatrix, dense: Tensor) -> Tensor:
        ctx.matrix = matrix
        return _multiply(matrix.matrix, dense.detach())

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, Tensor]:
        return None, _multiply(ctx.matrix.transposed, grads[0].contiguous())


def _multiply(matrix: Tensor, dense: Tensor) -> Tensor:
    """`[rows, columns]` in compressed rows times `[columns, dim]`, in the precision of the latter.

    On a CPU each row is a weighted bag of rows of `dense`, which torch adds up two to six times as fast as it
    multiplies by a sparse matrix (benchmarks/RESULTS.md).
    """
    if dense.is_cuda:
        product: Tensor = torch.sparse.mm(matrix, dense.to(matrix.dtype)).to(dense.dtype)
        return product
    return functional.embedding_bag(
        matrix.col_indices(),
        dense,
        matrix.crow_indices(),
        mode="sum",
        per_sample_weights=matrix.values().to(dense.dtype),
        include_last_offset=True,
    )


def to_scipy(matrix: Tensor) -> Any:
    """A matrix in compressed rows as scipy's, whose entries are the same memory where it is on a CPU."""
    parts = (matrix.values(), matrix.col_indices(), matrix.crow_indices())
    return sp.csr_array(tuple(part.cpu().numpy() for part in parts), shape=tuple(matrix.shape))


def _torch(matrix: Any) -> Tensor:
    """Scipy's compressed rows, with their columns in order, as torch's; in numbers of 32 bits where they suffice."""
    matrix.sort_indices()
    width = np.int32 if max(matrix.nnz, *matrix.shape) < np.iinfo(np.int32).max else np.int64
    offsets, columns = (torch.from_numpy(part.astype(width, copy=False)) for part in (matrix.indptr, matrix.indices))
    with warnings.catch_warnings():  # torch announces that its compressed layout is in beta
        warnings.filterwarnings("ignore", message="Sparse CSR")
        weights = torch.from_numpy(matrix.data)
        return torch.sparse_csr_tensor(offsets, columns, weights, matrix.shape, check_invariants=False)
