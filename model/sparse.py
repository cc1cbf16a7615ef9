"""Products of a constant sparse matrix with dense features, with the gradient that the dense side needs."""

import warnings
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class SparseMatrix:
    """A constant matrix `[rows, columns]` in compressed rows, and its transpose for the backward pass."""

    matrix: Tensor
    transposed: Tensor

    @classmethod
    def of(cls, row: Tensor, column: Tensor, weight: Tensor, shape: tuple[int, int]) -> "SparseMatrix":
        """From coordinates; entries at the same place add up."""
        with warnings.catch_warnings():  # torch announces that its compressed layout is in beta
            warnings.filterwarnings("ignore", message="Sparse CSR")
            both = []
            for size, index in ((shape, (row, column)), (shape[::-1], (column, row))):
                coo = torch.sparse_coo_tensor(torch.stack(index), weight, size, check_invariants=False).coalesce()
                both.append(coo.to_sparse_csr())
        return cls(*both)

    def to(self, device: torch.device) -> "SparseMatrix":
        """The same matrix on a device."""
        return SparseMatrix(self.matrix.to(device), self.transposed.to(device))

    def __matmul__(self, dense: Tensor) -> Tensor:
        result: Tensor = _Product.apply(self.matrix, self.transposed, dense)  # type: ignore[no-untyped-call]
        return result


class _Product(torch.autograd.Function):
    """`A @ x`; the gradient is `A^T @ g`, with `A^T` stored, since torch would build it again at every step."""

    @staticmethod
    def forward(ctx: Any, matrix: Tensor, transposed: Tensor, dense: Tensor) -> Tensor:
        ctx.save_for_backward(transposed)
        return _multiply(matrix, dense.detach())

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, None, Tensor]:
        (transposed,) = ctx.saved_tensors
        return None, None, _multiply(transposed, grads[0].contiguous())


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
