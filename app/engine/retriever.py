"""Retrieval: the query tower and the exact int8 search over all items, as one ONNX graph."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from app.artifact import names
from app.artifact.event_features import age_buckets
from app.engine.candidates import Candidates, candidates_from_graph
from app.engine.catalogue import Items
from app.engine.requests import ALL_ITEMS, ItemMask, RequestBatch


class Retrieves(Protocol):
    """Whatever finds the best items of requests."""

    @property
    def device(self) -> str:
        """Where it runs."""
        ...

    def run(self, batch: RequestBatch, depth: int, item_mask: ItemMask = ALL_ITEMS) -> Candidates:
        """The best `depth` items of every request, best first."""
        ...


@dataclass(frozen=True)
class Retriever:
    """`retrieve.onnx`, opened."""

    session: Any
    items: Items
    device: str = "cpu"

    def run(
        self,
        batch: RequestBatch,
        depth: int,
        item_mask: ItemMask = ALL_ITEMS,
        event_vectors: NDArray[np.float32] | None = None,
    ) -> Candidates:
        """The best `depth` items of every request, best first.

        Args:
            batch: the requests.
            depth: candidates per request, at most the number of rows.
            item_mask: which items may be answered to each.
            event_vectors: `[batch, window, dim]` of the items of the events; by default those of the bundle.
        """
        vectors = self.items.vectors_of(batch.event_rows) if event_vectors is None else event_vectors
        shape = batch.long_vector.shape
        scores, rows, queries = self.session.run(
            (names.OUT_SCORES, names.OUT_ROWS, names.OUT_QUERY),
            {
                names.IN_EVENT_VECTORS: vectors,
                names.IN_EVENT_TYPES: batch.event_types.astype(np.int64),
                names.IN_AGE_BUCKETS: age_buckets(batch.event_times, batch.now[:, None]),
                names.IN_LONG_VECTOR: batch.long_vector,
                names.IN_LONG_WEIGHT: batch.long_weight[:, None],
                names.IN_GIVEN_QUERY: np.zeros(shape, np.float32) if batch.given_query is None else batch.given_query,
                names.IN_GIVEN: np.zeros((shape[0], 1), bool) if batch.given is None else batch.given[:, None],
                names.IN_ITEM_MASK: self.items.selectable if item_mask.allowed is None else item_mask.allowed,
                names.IN_EXCLUDE_ROWS: batch.exclude_rows,
                names.IN_TOP_K: np.array([min(depth, self.items.selectable.shape[1])], dtype=np.int64),
            },
        )
        return candidates_from_graph(scores, rows, queries)
