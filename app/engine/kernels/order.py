"""The best candidates of each request by score."""

from array import array
from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.names import PADDING_ROW
from app.artifact.rank_features import CandidateList
from app.artifact.search_features import SEARCH_FEATURES
from app.artifact.search_features import weighted_sum as numpy_weighted_sum
from app.engine.kernels.library import Library, address, contiguous, library

Best = tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.uint8]]
"""Rows, scores and sources `[batch, depth]`, best first; row 0 with a score of -inf fills the end."""
_PLACE_OF: Final = {name: place for place, name in enumerate(SEARCH_FEATURES)}
_MOST: Final = 1 << 31  # candidates, whose positions have 32 bits


def best_of_requests(candidates: CandidateList, scores: NDArray[np.float32], depth: int) -> Best:
    """The `depth` candidates of each request with the best scores `[candidates]`; the lower row wins a tie."""
    compiled = library()
    if compiled is None or len(candidates) > _MOST:
        return numpy_best(candidates, scores, depth)
    return _compiled_best(compiled, candidates, scores, depth)


def _compiled_best(compiled: Library, candidates: CandidateList, scores: NDArray[np.float32], depth: int) -> Best:
    batch = len(candidates.offsets) - 1
    offsets = contiguous(candidates.offsets, np.int64)
    rows, sources = contiguous(candidates.rows, np.int64), contiguous(candidates.sources, np.uint8)
    scores = contiguous(scores, np.float32)
    longest = candidates.longest()
    best = (
        np.empty((batch, depth), dtype=np.int64),
        np.empty((batch, depth), dtype=np.float32),
        np.empty((batch, depth), dtype=np.uint8),
    )
    scratch = np.empty(2 * longest, dtype=np.uint64)
    compiled.best_of_requests(
        batch,
        *map(address, (offsets, rows, sources, scores)),
        depth,
        longest,
        *(address(array) for array in (*best, scratch)),
    )
    return best


def weighted_sum(features: NDArray[np.float32], weights: Mapping[str, float]) -> NDArray[np.float32]:
    """As `app.artifact.search_features.weighted_sum`, to the last bit."""
    compiled = library()
    if compiled is None or features.shape[0] != len(SEARCH_FEATURES):
        return numpy_weighted_sum(features, dict(weights))
    features = contiguous(features, np.float32)
    rows = array("q", map(_PLACE_OF.__getitem__, weights))
    factors = array("f", weights.values())
    count = features.shape[1]
    sums = np.empty(count, dtype=np.float32)
    compiled.weighted_rows(
        *(address(features), count, count, rows.buffer_info()[0], factors.buffer_info()[0], len(rows), address(sums))
    )
    return sums


def numpy_best(candidates: CandidateList, scores: NDArray[np.float32], depth: int) -> Best:
    """As `best_of_requests`, by NumPy."""
    size = len(candidates.offsets) - 1
    rows = np.full((size, depth), PADDING_ROW, dtype=np.int64)
    best_scores = np.full((size, depth), -np.inf, dtype=np.float32)
    sources = np.zeros((size, depth), dtype=np.uint8)
    order = np.lexsort((-scores, candidates.request_index))  # stable: candidates are in order of rows
    request = candidates.request_index[order]
    rank = np.arange(len(order)) - candidates.offsets[request]
    inside = rank < depth
    order, target = order[inside], (request[inside], rank[inside])
    rows[target], best_scores[target], sources[target] = (
        candidates.rows[order],
        scores[order],
        candidates.sources[order],
    )
    return rows, best_scores, sources
