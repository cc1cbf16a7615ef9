"""From candidates to the list that a call is answered from: diversity and pins, in that order."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.artifact.names import PADDING_ROW
from app.engine.candidates import Candidates
from app.engine.requests import ALL_ITEMS, ItemMask, RequestBatch
from app.engine.rules import Pin
from app.engine.rules.boost import boost_gains, boosted_order
from app.engine.rules.diversity import AMONG, diversified
from app.engine.rules.pin import with_pins
from app.engine.scoring import list_of, score_list
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
    return candidates.with_requests(lines, Candidates(rows, scores, sources, part.query_vectors))


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


@dataclass(frozen=True, slots=True)
class Shaped:
    """The whole list of one call, of which it gets pages."""

    rows: NDArray[np.int64]  # [n]
    scores: NDArray[np.floating]  # [n] of the model; not in order where diversity or pins moved items
    pins: tuple[Pin, ...] = ()  # those that stand in the list


def is_shaped(call: RecommendCall) -> bool:
    """Whether any rule bears on the list of a call."""
    return bool(call.pins or call.diversity or call.boosts)


def shaped(
    snapshot: Snapshot,
    calls: Sequence[RecommendCall],
    batch: RequestBatch,
    candidates: Candidates,
    depths: Sequence[int],
    item_mask: ItemMask = ALL_ITEMS,
) -> list[Shaped]:
    """The list of each call: its candidates, best first, with its rules.

    A pinned item that the order would not have brought is scored as a candidate would be. One that must not be
    answered is not pinned.

    Args:
        snapshot: the loaded bundle.
        calls: of the batch.
        batch: what the engine was asked.
        candidates: what it found.
        depths: of each call, the items that its list may have.
        item_mask: which items may be answered.
    """
    counts = np.minimum((candidates.rows != PADDING_ROW).sum(axis=1), depths).tolist()
    lists = [
        Shaped(candidates.rows[line, :count], candidates.scores[line, :count]) for line, count in enumerate(counts)
    ]
    if not any(map(is_shaped, calls)):
        return lists
    pins = [_allowed(call, batch, line, item_mask) for line, call in enumerate(calls)]
    missing = _missing(snapshot, calls, batch, candidates, [each.rows for each in lists], pins)
    return [
        _ruled(snapshot, call, whole, added, pinned) if is_shaped(call) else whole
        for call, whole, added, pinned in zip(calls, lists, missing, pins, strict=True)
    ]


def _allowed(call: RecommendCall, batch: RequestBatch, line: int, item_mask: ItemMask) -> tuple[Pin, ...]:
    """The pins whose items may be answered."""
    if not call.pins:
        return ()
    mask = item_mask.of(line)
    excluded = set(batch.exclude_rows[line].tolist())
    return tuple(pin for pin in call.pins if pin.row not in excluded and (mask is None or mask[pin.row]))


def _missing(
    snapshot: Snapshot,
    calls: Sequence[RecommendCall],
    batch: RequestBatch,
    candidates: Candidates,
    lists: Sequence[NDArray[np.int64]],
    pins: Sequence[Sequence[Pin]],
) -> list[dict[int, float]]:
    """Of each call, the pinned rows that its list lacks, and their scores among its candidates, boosted as theirs."""
    lacking = [
        np.setdiff1d(np.array([pin.row for pin in of_call], dtype=np.int64), rows) if of_call else rows[:0]
        for rows, of_call in zip(lists, pins, strict=True)
    ]
    lines = np.array([line for line, rows in enumerate(lacking) if len(rows)], dtype=np.int64)
    found: list[dict[int, float]] = [{} for _ in lists]
    if not len(lines):
        return found
    listed = list_of([np.concatenate([lists[line], lacking[line]]) for line in lines.tolist()])
    scores = score_list(snapshot, batch.take(lines), listed, candidates.query_vectors[lines])
    for place, line in enumerate(lines.tolist()):
        part = listed.part(place)
        at = np.searchsorted(listed.rows[part], lacking[line])
        own = scores[part][at].astype(np.float64)
        boosted = own + gains_of(snapshot, calls[line], batch, line, lacking[line], own).sum(axis=0)
        found[line] = dict(zip(lacking[line].tolist(), boosted.tolist(), strict=True))
    return found


def _ruled(
    snapshot: Snapshot,
    call: RecommendCall,
    whole: Shaped,
    missing: dict[int, float],
    pins: tuple[Pin, ...],
) -> Shaped:
    """One list with its rules; `missing` are the rows of pins that it lacks, with their scores."""
    rows, scores = whole.rows, whole.scores.astype(np.float64)
    if missing:
        rows = np.concatenate([rows, np.array(list(missing), dtype=np.int64)])
        scores = np.concatenate([scores, np.array(list(missing.values()), dtype=np.float64)])
    own = dict(zip(rows.tolist(), scores.tolist(), strict=True)) if pins else {}
    if pins:
        others = ~np.isin(rows, [pin.row for pin in pins])
        rows, scores = rows[others], scores[others]
    if call.diversity:
        at_head = sum(pin.position <= call.k for pin in pins)
        vectors = snapshot.items.vectors_of(rows[:AMONG])
        order = diversified(scores[:AMONG], vectors, call.k - at_head, call.diversity)
        rows, scores = (np.concatenate([each[order], each[AMONG:]]) for each in (rows, scores))
    if pins:
        rows, scores = with_pins(rows, scores, pins, [own[pin.row] for pin in pins])
    return Shaped(rows, scores, pins)
