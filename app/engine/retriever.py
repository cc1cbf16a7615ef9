"""Retrieval: the query tower and the exact int8 products with all items, an ONNX graph, and the best of them."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from app.artifact import names
from app.artifact.event_features import age_buckets
from app.artifact.manifest import Shapes
from app.engine.candidates import Candidates, candidates_from_graph
from app.engine.catalogue import Items
from app.engine.graph_checks import check_products, check_retriever
from app.engine.graph_cut import FLOAT, INT32, NotCut, cut_graph
from app.engine.kernels.library import library
from app.engine.kernels.search import Products, best_items
from app.engine.requests import ALL_ITEMS, ItemMask, RequestBatch
from app.engine.runtime import open_session

log = logging.getLogger(__name__)


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
    """`retrieve.onnx`, opened; where kernels find the best items, only as far as the products with all items.

    Args:
        session: of the graph.
        items: of the bundle.
        score_scales: `[rows]`, see `RankTables`; None where the graph finds the best items itself.
    """

    session: Any
    items: Items
    score_scales: NDArray[np.float32] | None = None
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
        feeds = {
            names.IN_EVENT_VECTORS: vectors,
            names.IN_EVENT_TYPES: batch.event_types.astype(np.int64),
            names.IN_AGE_BUCKETS: age_buckets(batch.event_times, batch.now[:, None]),
            names.IN_LONG_VECTOR: batch.long_vector,
            names.IN_LONG_WEIGHT: batch.long_weight[:, None],
            names.IN_GIVEN_QUERY: np.zeros(shape, np.float32) if batch.given_query is None else batch.given_query,
            names.IN_GIVEN: np.zeros((shape[0], 1), bool) if batch.given is None else batch.given[:, None],
        }
        allowed = self.items.selectable if item_mask.allowed is None else item_mask.allowed
        depth = min(depth, self.items.selectable.shape[1])
        if self.score_scales is not None:
            products, units, queries = self.session.run(
                (names.OUT_PRODUCTS, names.OUT_QUERY_UNIT, names.OUT_QUERY), feeds
            )
            search = Products(products, units[:, 0], self.score_scales)
            scores, rows = best_items(search, depth, allowed, batch.exclude_rows)
        else:
            feeds[names.IN_ITEM_MASK] = allowed
            feeds[names.IN_EXCLUDE_ROWS] = batch.exclude_rows
            feeds[names.IN_TOP_K] = np.array([depth], dtype=np.int64)
            scores, rows, queries = self.session.run((names.OUT_SCORES, names.OUT_ROWS, names.OUT_QUERY), feeds)
        return candidates_from_graph(scores, rows, queries)


def open_retriever(
    folder: Path, items: Items, score_scales: NDArray[np.float32], shapes: Shapes, threads: int = 1
) -> Retriever:
    """The retriever of the bundle in `folder`: by kernels where there are some and its search is that of int8.

    Args:
        score_scales: `[rows]`, see `RankTables`.
        shapes: of the bundle.
        threads: threads inside one run; 0 takes the cores that this process may use.

    Raises:
        BundleCorrupt: the graph cannot be read, or takes or gives something else.
    """
    path = folder / names.RETRIEVE_GRAPH
    if library() is not None:
        try:
            model = cut_graph(
                path.read_bytes(),
                ((names.OUT_PRODUCTS, INT32), (names.OUT_QUERY_UNIT, FLOAT), (names.OUT_QUERY, FLOAT)),
            )
        except NotCut as reason:
            log.info("the graph finds the best items itself: %s", reason, extra={"path": str(path)})
        else:
            session = open_session(path, threads, model)
            check_products(path, session, shapes)
            return Retriever(session, items, score_scales)
    session = open_session(path, threads)
    check_retriever(path, session, shapes)
    return Retriever(session, items)
