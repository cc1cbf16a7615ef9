"""Which directions of the item space are kept: the principal ones of the item vectors."""

import torch
from torch import Tensor


def principal_directions(units: Tensor, weights: Tensor) -> Tensor:
    r"""An orthonormal basis of the item space, the directions that carry most first.

    The eigenvectors of :math:`\sum_i w_i u_i u_i^T`, not centred, since scores are inner products: cutting the last
    ones off loses least of the vectors' squared length (Eckart and Young 1936).

    Args:
        units: `[items, dim]`.
        weights: `[items]`, at least 0; not all of them.

    Returns:
        `[dim, dim]`, a direction a row.
    """
    wide = units.double()
    moments = wide.T @ (wide * weights.double()[:, None])
    _, vectors = torch.linalg.eigh(moments)  # ascending
    directions = vectors.T.flip(0)
    # An eigenvector's sign is the library's whim: the largest entry is made positive, so that runs agree.
    largest = directions.gather(1, directions.abs().argmax(dim=1, keepdim=True))
    signed: Tensor = directions * largest.sign()
    return signed.to(units.dtype)
