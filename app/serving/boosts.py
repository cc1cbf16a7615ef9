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
    for line, call in enumerate(calls):
        if not call.boosts:
            continue
        count = int((candidates.rows[line] != PADDING_ROW).sum())
        rows, scores = candidates.rows[line, :count], candidates.scores[line, :count].astype(np.float64)
        gains = gains_of(snapshot, call, batch, line, rows, scores)
        raised = scores + gains.sum(axis=0)
        order = boosted_order(raised, *_passes(snapshot, call, rows))
        candidates = candidates.with_lines(
            np.array([line]),
            rows[order][None],
            raised[order][None].astype(np.float32),
            candidates.sources[line, :count][order][None],
        )
    return candidates


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
