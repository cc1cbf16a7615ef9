"""The item table as the service reads it: int8 vectors with their scales, filler rows included."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from app.artifact.quantise import quantise_rows
from offline.export.retrieve_graph import padded_rows
from offline.training.trained import Trained


@dataclass(frozen=True)
class ItemTable:
    """Items by row; row 0 and the filler rows are zeros."""

    vectors: NDArray[np.int8] | NDArray[np.float32]  # [rows, dim]
    scales: NDArray[np.float32]  # [rows] of the vectors, which have length 1
    score_scales: NDArray[np.float32]  # [rows] with the items' lengths

    @property
    def nbytes(self) -> int:
        """Of the vectors and their scales."""
        return self.vectors.nbytes + self.scales.nbytes

    def real(self) -> NDArray[np.float32]:
        """`[rows, dim]`, the vectors that the service makes of them."""
        return self.vectors.astype(np.float32) * self.scales[:, None]


@torch.no_grad()
def item_table(trained: Trained, bits: int) -> ItemTable:
    """The table of a network on the CPU.

    Args:
        bits: 8, or 7 for processors whose 8-bit products saturate; 32 keeps the vectors as they are.
    """
    units, lengths = trained.network.item_vectors(trained.graph.to(torch.device("cpu")), trained.known.cpu())
    rows = padded_rows(len(units) - 1)
    padded = np.zeros((rows, units.shape[1]), dtype=np.float32)
    padded[1 : len(units)] = units[1:].numpy()
    vectors: NDArray[np.int8] | NDArray[np.float32] = padded
    scales = np.ones(rows, dtype=np.float32)
    if bits != 32:
        vectors, scales = quantise_rows(padded, bits)
    score_scales = np.zeros(rows, dtype=np.float32)
    score_scales[: len(units)] = scales[: len(units)] * lengths.numpy()
    return ItemTable(vectors, scales, score_scales)
