"""Rankings by sparse scores, with what a protocol hides left out, and popular items behind them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from offline.evaluation.protocol import RowLists
from offline.workspace.progress import Progress, silent

Rankings = dict[str, NDArray[np.int32]]
"""Item rows `[n, depth]`, best first, filled up with 0, for every protocol."""

_BLOCK = 1_024  # cases at once


def ranked_by_scores(
    key_weights: Any,
    scores: Any,
    popular: NDArray[np.int32],
    masks: dict[str, RowLists],
    depth: int,
    progress: Progress | None,
    what: str = "ranking by item-kNN",
    absent: NDArray[np.int32] | None = None,
) -> Rankings:
    """The items with the best sums of scores for each case; popular ones where too few have any.

    Args:
        key_weights: what each case asks by, weighted: sparse `[n, keys]`.
        scores: of the items for each key: sparse `[keys, items + 1]`.
        popular: all item rows, the most popular first.
        masks: by protocol, the rows that each case must not be answered with.
        depth: rows a case.
        progress: called with every block of cases.
        what: is done, in words.
        absent: rows that no case must be answered with; `popular` has none of them.
    """
    report = progress or silent
    rankings = {name: np.zeros((key_weights.shape[0], depth), dtype=np.int32) for name in masks}
    hidden = np.zeros(scores.shape[1], dtype=np.bool_)
    never = np.zeros(0, dtype=np.int32) if absent is None else absent
    hidden[never] = True
    for start in range(0, key_weights.shape[0], _BLOCK):
        report(start, key_weights.shape[0], what)
        sums = key_weights[start : start + _BLOCK] @ scores
        for line in range(sums.shape[0]):
            here = slice(sums.indptr[line], sums.indptr[line + 1])
            for name, mask in masks.items():
                masked = mask.of(start + line)
                hidden[masked] = True
                best = _best(sums.indices[here], sums.data[here], hidden, depth)
                if len(best) < depth:
                    hidden[best] = True
                    head = popular[: depth + len(masked)]
                    best = np.concatenate([best, head[~hidden[head]][: depth - len(best)]])
                    hidden[best] = False
                rankings[name][start + line, : len(best)] = best
                hidden[masked] = False
                hidden[never] = True
    report(key_weights.shape[0], key_weights.shape[0], what)
    return rankings


def _best(
    rows: NDArray[np.int32], scores: NDArray[np.float32], hidden: NDArray[np.bool_], depth: int
) -> NDArray[np.int32]:
    """The `depth` best of `rows` that are not hidden, best first; ties go by row."""
    allowed = ~hidden[rows]
    rows, scores = rows[allowed], scores[allowed]
    if len(rows) > depth:
        near = np.argpartition(-scores, depth)[:depth]
        rows, scores = rows[near], scores[near]
    return rows[np.lexsort((rows, -scores))]
