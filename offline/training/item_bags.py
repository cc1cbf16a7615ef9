"""The text and the attributes of items as weighted bags, by item row, and texts that are typed as bags of the same."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from app.artifact.columns import offsets_of
from app.artifact.text.ngrams import weighted_buckets
from model.item_tower import ItemGraph
from model.sparse import SparseMatrix
from model.text_tower import Bags
from offline.graph.item_features import inverse_frequency


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
        offsets, columns = (part.numpy().astype(np.int64) for part in (rows.crow_indices(), rows.col_indices()))
        return cls(offsets, columns, rows.values().numpy())

    def take(self, rows: NDArray[np.int64]) -> "RowBags":
        """The chosen rows, in that order."""
        lengths = np.diff(self.offsets)[rows]
        offsets = offsets_of(lengths)
        places = np.arange(offsets[-1]) + np.repeat(self.offsets[rows] - offsets[:-1], lengths)
        return RowBags(offsets, self.columns[places], self.weights[places])

    def keep(self, kept: NDArray[np.bool_]) -> "RowBags":
        """The kept entries; `kept` stands beside `columns`."""
        counts = offsets_of(kept)
        return RowBags(counts[self.offsets].astype(np.int64), self.columns[kept], self.weights[kept])

    def bags(self) -> Bags:
        """For the network."""
        return Bags(torch.from_numpy(self.offsets), torch.from_numpy(self.columns), torch.from_numpy(self.weights))


def text_bags(texts: Sequence[str], idf: NDArray[np.float32]) -> RowBags:
    """What somebody typed, as a request's text is read; `idf` by bucket."""
    bags = [weighted_buckets(text, idf) for text in texts]
    offsets = offsets_of([len(columns) for columns, _ in bags])
    columns = np.concatenate([np.zeros(0, np.int64), *(columns for columns, _ in bags)])
    weights = np.concatenate([np.zeros(0, np.float32), *(weights for _, weights in bags)])
    return RowBags(offsets, columns, weights)


def bucket_idf(graph: ItemGraph) -> NDArray[np.float32]:
    """The idf of every text bucket over items and queries, `[text_buckets]`, as their own text is weighted; 0 where
    neither has the bucket."""
    holders = np.zeros(graph.text_buckets, dtype=np.int64)
    for text in (graph.text, graph.query_text):
        if text is not None:
            holders += np.bincount(text.matrix.cpu().col_indices().numpy(), minlength=graph.text_buckets)
    documents = graph.items - 1
    if graph.query_text is not None:
        described = 0 if graph.text is None else int((graph.text.matrix.cpu().crow_indices().diff() > 0).sum())
        documents = described + graph.queries
    return np.where(holders > 0, inverse_frequency(holders, documents), 0.0).astype(np.float32)
