"""Boosts on the candidates of a batch: what a shop brings up or buries, whoever asks."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.artifact.names import PADDING_ROW
from app.engine.candidates import Candidates
from app.engine.requests import RequestBatch
from app.engine.rules.boost import boost_gains, boosted_order
from app.engine.snapshot import Snapshot
from app.serving.call import RecommendCall


def boosted(
    snapshot: Snapshot, calls: Sequence[RecommendCall], batch: RequestBatch, candidates: Candidates
) -> Candidates:
    """The candidates in the order that the boosts of each call make of it; those without are left as they are."""
    lines = np.array([line for line, call in enumerate(calls) if call.boosts], dtype=np.int64)
    if not len(lines):
        return candidates
    part = candidates.take(lines)
    rows, scores, sources = part.rows.copy(), part.scores.copy(), part.sources.copy()
    for place, line in enumerate(lines.tolist()):
        call = calls[line]
        count = int((rows[place] != PADDING_ROW).sum())
        inside = slice(count)
        before = scores[place, inside].astype(np.float64)
        raised = before + gains_of(snapshot, call, batch, line, rows[place, inside], before).sum(axis=0)
        order = boosted_order(raised, *_passes(snapshot, call, rows[place, inside]))
        rows[place, inside], scores[place, inside] = rows[place, inside][order], raised[order]
        sources[place, inside] = sources[place, inside][order]
    return candidates.with_lines(lines, rows, scores, sources)


def gains_of(
    snapshot: Snapshot,
    call: RecommendCall,
    batch: RequestBatch,
    line: int,
    rows: NDArray[np.int64],
    scores: NDArray[np.float64],
) -> NDArray[np.float64]:
    """What each boost of a call adds to each of some items, `[boosts, n]`.

    Args:
        snapshot: the loaded bundle.
        call: with its boosts.
        batch: what the engine was asked.
        line: of the call in it.
        rows: `[n]`.
        scores: `[n]`, before any boost.
    """
    passes, factors = _passes(snapshot, call, rows)
    one = batch.take(np.array([line]))
    are_logits = bool((one.has_signal() | one.searches())[0])
    return boost_gains(scores, passes, factors, are_logits=are_logits)


def _passes(
    snapshot: Snapshot, call: RecommendCall, rows: NDArray[np.int64]
) -> tuple[list[NDArray[np.bool_]], list[float]]:
    """Of each boost, which rows pass its filter, and its factor."""
    return (
        [snapshot.filters.mask(boost.filter)[rows] for boost in call.boosts],
        [boost.factor for boost in call.boosts],
    )
