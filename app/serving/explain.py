"""The reasons of the answers that want them."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from app.engine.explain import Contributions, contributions
from app.engine.reasons import Reason, kind_of, settled
from app.engine.requests import ALL_ITEMS, ItemMask, RequestBatch
from app.engine.selection.orders import RELEVANCE
from app.engine.snapshot import Snapshot
from app.engine.text.text_match import TextMatch
from app.serving.call import RecommendCall
from app.serving.rules import Shaped, gains_of


def explained(
    snapshot: Snapshot,
    calls: Sequence[RecommendCall],
    batch: RequestBatch,
    lists: Sequence[Shaped],
    depth: int,
    ranked: int,
    item_mask: ItemMask = ALL_ITEMS,
) -> list[list[list[Reason]] | None]:
    """Of each call, the reasons of each item of its first page; None where it did not ask for them.

    The score of a sorted list is popularity, and so is that of a call of nobody who searches for nothing.

    Args:
        snapshot: the loaded bundle.
        calls: of the batch.
        batch: what the engine was asked.
        lists: the list of each call.
        depth: as `recommend` was given it.
        ranked: as `recommend` was given it.
        item_mask: which items may be answered.
    """
    given = _given(snapshot, calls, batch, lists, depth, ranked, item_mask)
    reasons: list[list[list[Reason]] | None] = []
    for line, (call, whole) in enumerate(zip(calls, lists, strict=True)):
        if not call.explain:
            reasons.append(None)
            continue
        rows = whole.rows[: call.k]
        pieces = _of_rules(snapshot, call, batch, line, rows, whole)
        rest: Literal["base", "popular"] = "base"
        if line in given:
            match = None if batch.matches is None else batch.matches[line]
            pieces = _with(_of_model(given[line], rows, match), pieces)
        elif call.sort == RELEVANCE:
            rest = "popular"
        else:
            popularity = snapshot.items.popularity[rows].tolist()
            pieces = _with([[Reason("popular", popular)] for popular in popularity], pieces)
        scores = whole.scores[: call.k].tolist()
        reasons.append([settled(score, of_item, rest) for score, of_item in zip(scores, pieces, strict=True)])
    return reasons


def _given(
    snapshot: Snapshot,
    calls: Sequence[RecommendCall],
    batch: RequestBatch,
    lists: Sequence[Shaped],
    depth: int,
    ranked: int,
    item_mask: ItemMask,
) -> dict[int, Contributions]:
    """What the pieces of those calls gave whose scores are the model's, by line."""
    known = batch.has_signal() | batch.searches()
    lines = [
        line
        for line, (call, whole) in enumerate(zip(calls, lists, strict=True))
        if call.explain and call.sort == RELEVANCE and known[line] and len(whole.rows)
    ]
    if not lines:
        return {}
    found = contributions(
        snapshot,
        batch.take(np.array(lines)),
        [lists[line].rows[: calls[line].k] for line in lines],
        [lists[line].rows for line in lines],
        depth,
        ranked,
        item_mask.take(np.array(lines)),
    )
    return dict(zip(lines, found, strict=True))


def _with(pieces: Sequence[list[Reason]], further: Sequence[list[Reason]]) -> list[list[Reason]]:
    return [some + others for some, others in zip(pieces, further, strict=True)]


def _of_model(given: Contributions, rows: NDArray[np.int64], match: TextMatch | None) -> list[list[Reason]]:
    """What the pieces of a request gave to each of its items."""
    events = list(zip(given.event_rows.tolist(), given.behaviours.tolist(), strict=True))
    found = []
    for place, row in enumerate(rows.tolist()):
        of_item = [
            Reason(kind_of(behaviour), gave, row=event_row)
            for (event_row, behaviour), gave in zip(events, given.by_events[:, place].tolist(), strict=True)
        ]
        if match is not None:
            of_item.append(Reason("query_match", float(given.by_query[place]), terms=tuple(match.words_of(row))))
        of_item.append(Reason("popular", float(given.by_popularity[place])))
        found.append(of_item)
    return found


def _of_rules(
    snapshot: Snapshot,
    call: RecommendCall,
    batch: RequestBatch,
    line: int,
    rows: NDArray[np.int64],
    whole: Shaped,
) -> list[list[Reason]]:
    """What boosts and pins gave to each item."""
    positions = {pin.row: pin.position for pin in whole.pins}
    gains = gains_of(snapshot, call, batch, line, rows, snapshot.items.popularity[rows].astype(np.float64))
    found = []
    for place, row in enumerate(rows.tolist()):
        of_item = [Reason("boost", gain) for gain in gains[:, place].tolist()]
        if row in positions:
            of_item.append(Reason("pin", 0.0, position=positions[row]))
        found.append(of_item)
    return found
