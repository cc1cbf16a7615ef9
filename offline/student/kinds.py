"""Kinds of a catalogue: clusters of the items' vectors by the teacher."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from offline.student.projection import units

MOST_KINDS: Final = 300
_ITEMS_A_KIND: Final = 30
_LEARNED: Final = 60_000  # items that the centres are learned from
_ROUNDS: Final = 25
_AT_ONCE: Final = 8_192


def kinds_of(vectors: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """The centres of the kinds, `[kinds, width]` of length 1, the kind of most items first; none without items.

    Spherical k-means: a centre is the mean direction of the items that are nearest to it.

    Args:
        vectors: `[items, width]` of length 1; rows of zeros say nothing.
        seed: draws the items that centres begin as.
    """
    rng = np.random.default_rng([seed, 41])
    known = vectors[vectors.any(axis=1)]
    known = known[rng.permutation(len(known))[:_LEARNED]]
    count = min(MOST_KINDS, len(known) // _ITEMS_A_KIND)
    if not count:
        return units(known.sum(axis=0, keepdims=True))[: len(known)]
    centres = _first_centres(known, count, rng)
    before = np.full(len(known), -1)
    for _ in range(_ROUNDS):
        nearest, cosines = nearest_kinds(known, centres)
        if (nearest == before).all():
            break
        before = nearest
        sums = np.zeros_like(centres)
        np.add.at(sums, nearest, known)
        empty = np.flatnonzero(np.bincount(nearest, minlength=count) == 0)
        sums[empty] = known[np.argsort(cosines, kind="stable")[: len(empty)]]  # those that no centre is near to
        centres = units(sums)
    sizes = np.bincount(nearest_kinds(known, centres)[0], minlength=count)
    order = np.argsort(-sizes, kind="stable")
    return np.ascontiguousarray(centres[order[sizes[order] > 0]])


def nearest_kinds(
    vectors: NDArray[np.float32], centres: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The nearest kind of each vector, and the cosine with its centre."""
    nearest = np.zeros(len(vectors), dtype=np.int64)
    best = np.zeros(len(vectors), dtype=np.float32)
    for begin in range(0, len(vectors), _AT_ONCE):
        cosines = vectors[begin : begin + _AT_ONCE] @ centres.T
        nearest[begin : begin + _AT_ONCE] = cosines.argmax(axis=1)
        best[begin : begin + _AT_ONCE] = cosines.max(axis=1)
    return nearest, best


def _first_centres(known: NDArray[np.float32], count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Items that are far from each other, drawn one after the other by how far they are from those before."""
    rows = [int(rng.integers(len(known)))]
    nearest = known @ known[rows[0]]
    while len(rows) < count:
        far = np.square(np.maximum(1 - nearest, 0)).astype(np.float64)
        total = far.sum()
        row = int(rng.choice(len(known), p=far / total)) if total > 0 else int(rng.integers(len(known)))
        rows.append(row)
        nearest = np.maximum(nearest, known @ known[row])
    return known[rows].copy()
