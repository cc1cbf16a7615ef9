"""Where text and attributes alone place the items, for the ranker's features."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from offline.training.trained import Trained

CONTENT_DIM = 64


@dataclass(frozen=True)
class ContentVectors:
    """Unit vectors of the items, and the directions that they were turned to."""

    units: NDArray[np.float32]  # [rows, content dim], zeros where an item has neither text nor attributes
    directions: NDArray[np.float32]  # [dim, content dim]

    @property
    def dim(self) -> int:
        """Numbers in a vector; 0 where no item has text or attributes."""
        return int(self.units.shape[1])


@torch.no_grad()
def content_vectors(trained: Trained, rows: int) -> ContentVectors:
    """The leading `CONTENT_DIM` principal directions of what the item tower makes of text and attributes.

    Args:
        trained: on the CPU.
        rows: of the item table, the padding row and filler included.
    """
    placed = trained.network.items.content(trained.graph.to(torch.device("cpu")))
    if placed is None:
        nothing = np.zeros((trained.settings.dim, 0), dtype=np.float32)
        return ContentVectors(np.zeros((rows, 0), dtype=np.float32), nothing)
    units = torch.nn.functional.normalize(placed, dim=1)
    directions = torch.eye(units.shape[1])
    if units.shape[1] > CONTENT_DIM:
        directions = torch.linalg.eigh(units.T @ units)[1][:, -CONTENT_DIM:]
        units = torch.nn.functional.normalize(units @ directions, dim=1)
    padded = np.zeros((rows, units.shape[1]), dtype=np.float32)
    padded[1 : len(units)] = units[1:].numpy()
    return ContentVectors(padded, directions.numpy())
