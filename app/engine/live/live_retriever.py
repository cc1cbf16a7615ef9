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
    """Items whose vectors are not those of the bundle's graph."""

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

    def _merged(self, batch: RequestBatch, from_graph: Candidates, depth: int, item_mask: ItemMask) -> Candidates:
        """The best of what the graph finds and of the placed items; the lower row wins a tie."""
        rows = self.placed.rows
        scores = self._scores(batch, from_graph.query_vectors)
        allowed = (self.items.selectable if item_mask.allowed is None else item_mask.allowed)[:, rows]
        scores = np.where(allowed, scores, -np.inf).astype(np.float32)
        request, place = _places_of(batch.exclude_rows, rows)
        scores[request, place] = -np.inf
        width = min(depth, from_graph.rows.shape[1] + len(rows))
        if len(rows) > width:  # more than can be among the best
            best = np.argpartition(-scores, width - 1, axis=1)[:, :width]
            least = np.take_along_axis(scores, best, axis=1).min(axis=1)
            if not ((scores >= least[:, None]).sum(axis=1) > width).any():  # no ties at the edge
                best = np.sort(best, axis=1)
                scores, placed_rows = np.take_along_axis(scores, best, axis=1), rows[best]
            else:
                placed_rows = np.broadcast_to(rows, scores.shape)
        else:
            placed_rows = np.broadcast_to(rows, scores.shape)
        all_rows = np.concatenate([from_graph.rows, placed_rows], axis=1)
        all_scores = np.concatenate([from_graph.scores, scores], axis=1)
        order = np.lexsort((all_rows, -all_scores), axis=1)[:, :width]
        all_rows, all_scores = (
            np.take_along_axis(all_rows, order, axis=1),
            np.take_along_axis(all_scores, order, axis=1),
        )
        is_item = np.isfinite(all_scores)
        return Candidates(
            rows=np.where(is_item, all_rows, PADDING_ROW),
            scores=all_scores,
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
