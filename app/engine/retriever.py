"""Retrieval: the query tower and the exact int8 products with all items, an ONNX graph, and the best of them."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from app.artifact import names
from app.artifact.event_features import age_buckets
from app.artifact.manifest import Shapes
from app.engine.candidates import Candidates, candidates_from_graph
from app.engine.catalogue import Items
from app.engine.graph_checks import check_products, check_retriever, check_tower, tower_inputs
from app.engine.graph_cut import FLOAT, INT32, NotCut, Tensor, cut_graph
from app.engine.kernels.library import library
from app.engine.kernels.nearest import ItemVectors, product_level
from app.engine.kernels.search import Products, best_items
from app.engine.kernels.tower import Tower, TowerEvents
from app.engine.products_graph import read_products
from app.engine.requests import ALL_ITEMS, ItemMask, RequestBatch
from app.engine.runtime import open_session
from app.engine.tower_graph import read_tower

log = logging.getLogger(__name__)

_PRODUCT_BYTES: Final = 1 << 23
"""Of products with all items at once: ONNX Runtime keeps for ever what its largest run took."""
_LEAST_AT_ONCE: Final = 4


class Retrieves(Protocol):
    """Whatever finds the best items of requests."""

    @property
    def device(self) -> str:
        """Where it runs."""
        ...

    def run(self, batch: RequestBatch, depth: int, item_mask: ItemMask = ALL_ITEMS) -> Candidates:
        """The best `depth` items of every request, best first."""
        ...

    def query_vectors(self, batch: RequestBatch) -> NDArray[np.float32]:
        """The vector of every request, `[batch, dim]`, that items are compared with: given, or the query tower's."""
        ...


@dataclass(frozen=True)
class SplitGraph:
    """The two halves of `retrieve.onnx`, without its last nodes, or kernels that do what they do."""

    tower: Tower | Any  # from events to query vectors: the kernel, or a session where it has another network
    products: ItemVectors | Any  # from those to the nearest items: the kernel, or a session that gives all products
    score_scales: NDArray[np.float32]  # [rows], see `RankTables`


@dataclass(frozen=True)
class Retriever:
    """`retrieve.onnx`, opened: whole, or split where kernels find the best items."""

    graph: Any | SplitGraph  # a session, or two
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
        allowed = self.items.selectable if item_mask.allowed is None else item_mask.allowed
        depth = min(depth, self.items.selectable.shape[1])
        if isinstance(self.graph, SplitGraph):
            queries = self.query_vectors(batch, event_vectors)
            scores, rows = _best_of_products(self.graph, queries, depth, allowed, batch.exclude_rows)
        else:
            feeds = self._feeds(batch, event_vectors) | {
                names.IN_ITEM_MASK: allowed,
                names.IN_EXCLUDE_ROWS: batch.exclude_rows,
                names.IN_TOP_K: np.array([depth], dtype=np.int64),
            }
            scores, rows, queries = self.graph.run((names.OUT_SCORES, names.OUT_ROWS, names.OUT_QUERY), feeds)
        return candidates_from_graph(scores, rows, queries)

    def query_vectors(
        self, batch: RequestBatch, event_vectors: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """The vector of every request, `[batch, dim]`, that items are compared with: given, or the query tower's.

        Args:
            batch: the requests.
            event_vectors: as for `run`.
        """
        if not isinstance(self.graph, SplitGraph):
            return self.run(batch.without_excluded(), 1, ALL_ITEMS, event_vectors).query_vectors
        if batch.given is not None and batch.given_query is not None and batch.given.all():
            return np.ascontiguousarray(batch.given_query, dtype=np.float32)
        if isinstance(self.graph.tower, Tower):
            return self._kernel_vectors(self.graph.tower, batch, event_vectors)
        queries: NDArray[np.float32]
        (queries,) = self.graph.tower.run((names.OUT_QUERY,), self._feeds(batch, event_vectors))
        return queries

    def _kernel_vectors(
        self, tower: Tower, batch: RequestBatch, event_vectors: NDArray[np.float32] | None
    ) -> NDArray[np.float32]:
        queries = tower.query_vectors(
            TowerEvents(
                vectors=event_vectors,
                rows=batch.event_rows,
                codes=self.items.vectors,
                scales=self.items.scales,
                types=batch.event_types,
                times=batch.event_times,
                now=batch.now,
                long_vector=batch.long_vector,
                long_weight=batch.long_weight,
            )
        )
        if batch.given is not None and batch.given_query is not None:
            queries[batch.given] = batch.given_query[batch.given]
        return queries

    def _feeds(self, batch: RequestBatch, event_vectors: NDArray[np.float32] | None) -> dict[str, NDArray[Any]]:
        """What the query tower reads of the requests."""
        shape = batch.long_vector.shape
        return {
            names.IN_EVENT_VECTORS: self.items.vectors_of(batch.event_rows) if event_vectors is None else event_vectors,
            names.IN_EVENT_TYPES: batch.event_types.astype(np.int64),
            names.IN_AGE_BUCKETS: age_buckets(batch.event_times, batch.now[:, None]),
            names.IN_LONG_VECTOR: batch.long_vector,
            names.IN_LONG_WEIGHT: batch.long_weight[:, None],
            names.IN_GIVEN_QUERY: np.zeros(shape, np.float32) if batch.given_query is None else batch.given_query,
            names.IN_GIVEN: np.zeros((shape[0], 1), bool) if batch.given is None else batch.given[:, None],
        }


def _best_of_products(
    graph: SplitGraph,
    queries: NDArray[np.float32],
    depth: int,
    allowed: NDArray[np.bool_],
    exclude_rows: NDArray[np.int64],
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Scores and rows `[batch, depth]` of the items nearest to query vectors; by a session a few after another."""
    if isinstance(graph.products, ItemVectors):
        return graph.products.nearest(queries, depth, allowed, exclude_rows)
    at_once = max(_LEAST_AT_ONCE, _PRODUCT_BYTES // (4 * allowed.shape[1]))
    parts = []
    for start in range(0, max(1, len(queries)), at_once):
        part = slice(start, start + at_once)
        outputs = (names.OUT_PRODUCTS, names.OUT_QUERY_UNIT)
        products, units = graph.products.run(outputs, {names.OUT_QUERY: queries[part]})
        search = Products(products, units[:, 0], graph.score_scales)
        of_part = allowed if len(allowed) == 1 else allowed[part]
        parts.append(best_items(search, depth, of_part, exclude_rows[part]))
    if len(parts) == 1:
        return parts[0]
    scores, rows = zip(*parts, strict=True)
    return np.concatenate(scores), np.concatenate(rows)


def open_retriever(
    folder: Path, items: Items, score_scales: NDArray[np.float32], shapes: Shapes, threads: int = 1
) -> Retriever:
    """The retriever of the bundle in `folder`: split where there are kernels and its search is that of int8.

    Args:
        score_scales: `[rows]`, see `RankTables`.
        shapes: of the bundle.
        threads: threads inside one run; 0 takes the cores that this process may use.

    Raises:
        BundleCorrupt: the graph cannot be read, or takes or gives something else.
    """
    path = folder / names.RETRIEVE_GRAPH
    uncut: NotCut | None = None
    if library() is not None:
        try:
            tower, products = _split(path.read_bytes(), shapes)
        except NotCut as reason:
            uncut = reason
        else:
            session = open_session(path, threads, tower)
            check_tower(path, session, shapes)
            of_products = _items_of(path, products, items, score_scales, shapes, threads)
            return Retriever(SplitGraph(_kernel_of(path, tower, session), of_products, score_scales), items)
    session = open_session(path, threads)
    check_retriever(path, session, shapes)
    if uncut is not None:
        log.info("the graph finds the best items itself: %s", uncut, extra={"path": str(path)})
    return Retriever(session, items)


def _kernel_of(path: Path, tower: bytes, session: Any) -> Tower | Any:
    try:
        return read_tower(tower, session)
    except NotCut as reason:
        log.info("the graph works out query vectors itself: %s", reason, extra={"path": str(path)})
        return session


def _items_of(
    path: Path, products: bytes, items: Items, score_scales: NDArray[np.float32], shapes: Shapes, threads: int
) -> ItemVectors | Any:
    """The products with all items: by the kernel where the processor has instructions for them, else a session."""
    if product_level():
        try:
            return read_products(products, items.vectors, score_scales)
        except NotCut as reason:
            log.info("the graph multiplies with the items itself: %s", reason, extra={"path": str(path)})
    session = open_session(path, threads, products)
    check_products(path, session, shapes)
    return session


def _split(model: bytes, shapes: Shapes) -> tuple[bytes, bytes]:
    query = Tensor(names.OUT_QUERY, FLOAT, ("batch", shapes.dim))
    products = (Tensor(names.OUT_PRODUCTS, INT32), Tensor(names.OUT_QUERY_UNIT, FLOAT))
    return cut_graph(model, [query], inputs=tower_inputs(shapes)), cut_graph(model, products, [query])
