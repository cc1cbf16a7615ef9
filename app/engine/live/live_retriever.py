"""Retrieval over the items of a bundle and those that were placed since, by the same int8 products."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from app.artifact.names import PADDING_ROW
from app.artifact.rank_features import quantised_queries
from app.engine.candidates import Candidates, Source
from app.engine.catalogue import Items
from app.engine.gpu_retriever import GpuRetriever
from app.engine.requests import ALL_ITEMS, ItemMask, RequestBatch
from app.engine.retriever import Retriever


@dataclass(frozen=True, eq=False)
class PlacedRows:
    """Items that may be answered and whose vectors are not those of the bundle's graph."""

    rows: NDArray[np.int64]  # [placed] ascending
    codes: NDArray[np.float32]  # [placed, dim] whole numbers of at most 127
    score_scales: NDArray[np.float32]  # [placed]


@dataclass(frozen=True, eq=False)
class LiveRetriever:
    """As `Retriever`: the bundle's graph finds the best of its items, and a product those of the placed ones.

    Args:
        base: of the bundle.
        items: as they are now.
        placed: whose vectors the graph does not have, or has otherwise.
        in_graph: `[1, bundle rows]`, the items that may be answered and whose vectors are the graph's.
    """

    base: Retriever | GpuRetriever  # of the bundle
    items: Items
    placed: PlacedRows
    in_graph: NDArray[np.bool_]

    @property
    def device(self) -> str:
        """Where the graph runs."""
        return self.base.device

    def run(self, batch: RequestBatch, depth: int, item_mask: ItemMask = ALL_ITEMS) -> Candidates:
        """As `Retriever.run`."""
        span = self.in_graph.shape[1]
        in_graph = self.in_graph if item_mask.allowed is None else item_mask.allowed[:, :span] & self.in_graph
        bundled = replace(batch, exclude_rows=np.where(batch.exclude_rows < span, batch.exclude_rows, PADDING_ROW))
        from_graph = self.base.run(bundled, depth, ItemMask(in_graph), self.items.vectors_of(batch.event_rows))
        return from_graph if not len(self.placed.rows) else self._merged(batch, from_graph, depth, item_mask)

    def query_vectors(self, batch: RequestBatch) -> NDArray[np.float32]:
        """As `Retriever.query_vectors`."""
        return self.base.query_vectors(batch, self.items.vectors_of(batch.event_rows))

    def _merged(self, batch: RequestBatch, from_graph: Candidates, depth: int, item_mask: ItemMask) -> Candidates:
        """The best of what the graph finds and of the placed items; the lower row wins a tie."""
        placed = self.placed.rows
        scores = self._scores(batch, from_graph.query_vectors)
        if item_mask.allowed is not None:
            np.copyto(scores, -np.inf, where=~item_mask.allowed[:, placed])
        request, place = _places_of(batch.exclude_rows, placed)
        scores[request, place] = -np.inf
        width = min(depth, from_graph.rows.shape[1] + len(placed))
        rows = np.full((len(batch), width), PADDING_ROW, dtype=np.int64)
        best = np.full((len(batch), width), -np.inf, dtype=np.float32)
        for index, of_request in enumerate(scores):
            known = from_graph.scores[index]
            least = known[-1] if len(known) == width else -np.inf  # what is worse is not among the best
            chosen = np.flatnonzero(of_request >= least) if np.isfinite(least) else np.flatnonzero(of_request > -np.inf)
            all_rows = np.concatenate([from_graph.rows[index], placed[chosen]])
            all_scores = np.concatenate([known, of_request[chosen]])
            order = np.lexsort((all_rows, -all_scores))[:width]
            rows[index, : len(order)], best[index, : len(order)] = all_rows[order], all_scores[order]
        is_item = np.isfinite(best)
        return Candidates(
            rows=np.where(is_item, rows, PADDING_ROW),
            scores=best,
            sources=np.where(is_item, Source.RETRIEVAL, 0).astype(np.uint8),
            query_vectors=from_graph.query_vectors,
        )

    def _scores(self, batch: RequestBatch, queries: NDArray[np.float32]) -> NDArray[np.float32]:
        """`[batch, placed]`, as the graph computes them; each request by itself."""
        codes, units = quantised_queries(queries)
        scores = np.empty((len(batch), len(self.placed.rows)), dtype=np.float32)
        for target, request_codes, unit in zip(scores, codes, units, strict=True):
            target[:] = (self.placed.codes @ request_codes) * unit * self.placed.score_scales
        return scores


def _places_of(exclude_rows: NDArray[np.int64], rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The request and the place in `rows` of each excluded row that is one of them."""
    place = np.minimum(np.searchsorted(rows, exclude_rows), len(rows) - 1)
    request, column = np.nonzero(rows[place] == exclude_rows)
    return request, place[request, column]
