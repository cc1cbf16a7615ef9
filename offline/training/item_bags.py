"""The text and the attributes of items as weighted bags, by item row, and texts that are typed as bags of the same."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from app.artifact.tokenizer import weighted_buckets
from model.item_tower import ItemGraph
from model.sparse import SparseMatrix
from model.text_tower import Bags


@dataclass(frozen=True)
class RowBags:
    """Bag `row` is `columns[offsets[row]:offsets[row + 1]]`."""

    offsets: NDArray[np.int64]  # [rows + 1]
    columns: NDArray[np.int64]
    weights: NDArray[np.float32]

    @classmethod
    def of(cls, matrix: SparseMatrix) -> "RowBags":
        """The rows of a sparse matrix."""
        rows = matrix.matrix.cpu()
        return cls(rows.crow_indices().numpy(), rows.col_indices().numpy(), rows.values().numpy())

    def take(self, rows: NDArray[np.int64]) -> "RowBags":
        """The chosen rows, in that order."""
        lengths = np.diff(self.offsets)[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        places = np.arange(offsets[-1]) + np.repeat(self.offsets[rows] - offsets[:-1], lengths)
        return RowBags(offsets, self.columns[places], self.weights[places])

    def keep(self, kept: NDArray[np.bool_]) -> "RowBags":
        """The kept entries; `kept` stands beside `columns`."""
        counts = np.concatenate([[0], np.cumsum(kept)])
        return RowBags(counts[self.offsets].astype(np.int64), self.columns[kept], self.weights[kept])

    def bags(self) -> Bags:
        """For the network."""
        return Bags(torch.from_numpy(self.offsets), torch.from_numpy(self.columns), torch.from_numpy(self.weights))


def text_bags(texts: Sequence[str], idf: NDArray[np.float32]) -> RowBags:
    """What somebody typed, as a request's text is read; `idf` by bucket."""
    found = [weighted_buckets(text, idf) for text in texts]
    offsets = np.concatenate([[0], np.cumsum([len(columns) for columns, _ in found])]).astype(np.int64)
    columns = np.concatenate([np.zeros(0, np.int64), *(columns for columns, _ in found)])
    weights = np.concatenate([np.zeros(0, np.float32), *(weights for _, weights in found)])
    return RowBags(offsets, columns, weights)


def bucket_idf(graph: ItemGraph) -> NDArray[np.float32]:
    """The idf over the catalogue of every text bucket, `[text_buckets]`, as the items' own text is weighted; 0 where
    no item has the bucket."""
    if graph.text is None:
        return np.zeros(graph.text_buckets, dtype=np.float32)
    items_with = np.bincount(graph.text.matrix.cpu().col_indices().numpy(), minlength=graph.text_buckets)
    idf = np.log(graph.items / (1 + items_with)) + 1  # graph.items counts the padding row: 1 + items
    return np.where(items_with > 0, idf, 0.0).astype(np.float32)
