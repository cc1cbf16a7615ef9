"""Which items occur together in histories, and how strongly."""

import numpy as np
import polars as pl
import scipy.sparse as sp
from numpy.typing import NDArray

GAP_DECAY = 0.8
MAX_GAP = 20  # beyond it a pair counts for less than .8^20, about a hundredth
NEIGHBOURS = 50
_BLOCK = 2_000
_PAIRS = 16_000_000


def co_occurrence(train: pl.DataFrame, items: int, ordered: bool) -> sp.csr_matrix:
    """Item-item weights `[items, items]`: the strongest `NEIGHBOURS` of each row, which then sums to 1.

    Ordered histories count a pair by `.8^(gap - 1) / sqrt(history length)`; unordered ones by `1 / history length`.
    Weights are divided by the square roots of both items' totals, so that popular items do not drown the others.

    Args:
        train: columns user, item, order; sorted by (user, order).
        items: rows of the item table, the padding row included.
        ordered: whether the order of a user's events means anything.
    """
    return _ordered_pairs(train, items) if ordered else _unordered_pairs(train, items)


def _ordered_pairs(train: pl.DataFrame, items: int, pairs_at_once: int = _PAIRS) -> sp.csr_matrix:
    user, item = train["user"].to_numpy(), train["item"].to_numpy()
    counts = np.bincount(user, minlength=1)
    event_weight = (1 / np.sqrt(np.maximum(counts, 1)))[user]
    totals, pairs = np.zeros(items), np.zeros(items, np.int64)
    for gap in range(1, MAX_GAP + 1):
        left, right = item[:-gap], item[gap:]
        same = (user[gap:] == user[:-gap]) & (left != right)
        weight = GAP_DECAY ** (gap - 1) * event_weight[gap:][same]
        for end in (left[same], right[same]):
            totals += np.bincount(end, weight, minlength=items)
            pairs += np.bincount(end, minlength=items)
    scale = _inverse_root(totals.astype(np.float32))
    # Row blocks with a bounded number of pairs: the pairs of all rows at once take many times the events' memory.
    block = (np.cumsum(pairs) - pairs) // pairs_at_once
    starts = np.flatnonzero(np.diff(block, prepend=-1)).tolist()
    blocks = []
    for start, end in zip(starts, [*starts[1:], items], strict=True):
        near = _pairs_of(start, end, user, item, event_weight, items)
        blocks += [
            _prune(
                _scale(near[offset : offset + _BLOCK], scale[start + offset : min(end, start + offset + _BLOCK)], scale)
            )
            for offset in range(0, end - start, _BLOCK)
        ]
    return _rows_to_one(sp.vstack(blocks).tocsr())


def _pairs_of(
    start: int,
    end: int,
    user: NDArray[np.uint32],
    item: NDArray[np.uint32],
    event_weight: NDArray[np.float64],
    items: int,
) -> sp.csr_matrix:
    """`[end - start, items]` the summed weights of the pairs of items `start` to `end` with every item, not scaled.

    `event_weight` `[events]` is the weight of a pair of neighbours in that event's history.
    """
    here = np.flatnonzero((item >= start) & (item < end))
    rows, columns, weights = [], [], []
    for gap in range(1, MAX_GAP + 1):
        for row, other in ((here, here + gap), (here, here - gap)):
            inside = (other >= 0) & (other < len(item))
            row, other = row[inside], other[inside]  # noqa: PLW2901 - narrowed step by step
            same = (user[row] == user[other]) & (item[row] != item[other])
            row, other = row[same], other[same]  # noqa: PLW2901 - as above
            rows.append((item[row] - start).astype(np.int32))
            columns.append(item[other].astype(np.int32))
            weights.append(GAP_DECAY ** (gap - 1) * event_weight[row])
    place = (np.concatenate(rows), np.concatenate(columns))
    summed = sp.coo_matrix((np.concatenate(weights), place), shape=(end - start, items)).tocsr()
    return summed.astype(np.float32)


def _unordered_pairs(train: pl.DataFrame, items: int) -> sp.csr_matrix:
    pairs = train.select("user", "item").unique(maintain_order=True)
    users = int(train["user"].to_numpy().max(initial=0)) + 1
    place = (pairs["user"].to_numpy(), pairs["item"].to_numpy())
    ones = np.ones(pairs.height, dtype=np.float32)
    matrix = sp.coo_matrix((ones, place), shape=(users, items)).tocsr()
    weighted = sp.diags(_inverse_root(np.asarray(matrix.sum(axis=1)).ravel()) ** 2) @ matrix
    scale = _inverse_root(np.asarray(matrix.sum(axis=0)).ravel())
    transposed = matrix.T.tocsr()
    blocks = []
    for start in range(0, items, _BLOCK):
        block = (transposed[start : start + _BLOCK] @ weighted).tocsr()
        block = _scale(block, scale[start : start + _BLOCK], scale).tocoo()
        own = block.row + start == block.col
        block.data[own] = 0.0
        blocks.append(_prune(block.tocsr()))
    return _rows_to_one(sp.vstack(blocks).tocsr())


def _inverse_root(totals: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.where(totals > 0, 1 / np.sqrt(np.maximum(totals, 1e-12)), 0.0).astype(np.float32)


def _scale(matrix: sp.csr_matrix, rows: NDArray[np.float32], columns: NDArray[np.float32]) -> sp.csr_matrix:
    return (sp.diags(rows) @ matrix @ sp.diags(columns)).tocsr()


def _prune(matrix: sp.csr_matrix) -> sp.csr_matrix:
    """The `NEIGHBOURS` largest entries of each row; of equal ones, the first."""
    matrix.eliminate_zeros()
    matrix.sort_indices()
    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    order = np.lexsort((-matrix.data, row))
    rank = np.arange(len(order)) - matrix.indptr[row[order]]
    kept = order[rank < NEIGHBOURS]
    return sp.coo_matrix((matrix.data[kept], (row[kept], matrix.indices[kept])), shape=matrix.shape).tocsr()


def _rows_to_one(matrix: sp.csr_matrix) -> sp.csr_matrix:
    totals = np.asarray(matrix.sum(axis=1)).ravel()
    return (sp.diags(np.where(totals > 0, 1 / np.maximum(totals, 1e-12), 0.0)) @ matrix).astype(np.float32).tocsr()
