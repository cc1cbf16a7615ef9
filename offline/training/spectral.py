"""Spectral start for the id embeddings: singular vectors of the normalised user-item matrix."""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.linalg import svds

from offline.training.histories import Histories


def spectral_items(histories: Histories, items: int, dim: int, seed: int) -> NDArray[np.float32]:
    r"""Item embeddings `[items, dim]` of mean length 1: :math:`V \Sigma^{1/2}` of :math:`D_u^{-1/2} R D_i^{-1/2}`.

    The truncated factorisation that Shen et al., "How Powerful is Graph Convolution for Recommendation?" (CIKM 2021),
    section 4, use as an ideal low-pass filter. Missing columns (fewer items than `dim`) are zero.
    """
    user = np.repeat(np.arange(len(histories)), histories.lengths)
    ones = np.ones(len(user), dtype=np.float32)
    matrix = sp.coo_matrix((ones, (user, histories.rows)), shape=(len(histories), items)).tocsr()
    matrix.data[:] = 1.0
    by_user, by_item = (np.asarray(matrix.sum(axis=axis)).ravel() for axis in (1, 0))
    normalised = sp.diags(1 / np.sqrt(np.maximum(by_user, 1))) @ matrix @ sp.diags(1 / np.sqrt(np.maximum(by_item, 1)))
    rank = min(dim, min(matrix.shape) - 1)
    if rank < 1:
        return np.zeros((items, dim), dtype=np.float32)
    start = np.random.default_rng(seed).normal(size=min(matrix.shape)).astype(np.float32)
    _, values, vectors = svds(normalised.astype(np.float32), k=rank, v0=start, tol=1e-2)
    found = np.zeros((items, dim), dtype=np.float32)
    # Undo the item normalisation, so that the length grows with the root of how often the item occurs.
    found[:, :rank] = (vectors * np.sqrt(values)[:, None]).T * np.sqrt(np.maximum(by_item, 0))[:, None]
    norms = np.linalg.norm(found, axis=1)
    return (found / max(float(norms[norms > 0].mean()) if (norms > 0).any() else 1.0, 1e-9)).astype(np.float32)
