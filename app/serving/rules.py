"""A shop's rules on the lists of a batch: boosts reorder candidates, then diversity and pins, in that order."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

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
from app.engine.selection.column import NO_VALUE
from app.engine.selection.grouping import first_of_groups
from app.engine.snapshot import Snapshot
from app.engine.text.named_items import NamedItems
from app.serving.call import RecommendCall


@dataclass(frozen=True, slots=True)
class RankedList:
    """The whole list of one call, best first, from which its pages are cut."""

    rows: NDArray[np.int64]  # [n]
    scores: NDArray[np.floating]  # [n] of the model; not in order where diversity or pins moved items
    pins: tuple[Pin, ...] = ()  # those that stand in the list


def has_rules(call: RecommendCall) -> bool:
    """Whether any rule bears on the list of a call."""
    return bool(call.pin or call.diversity or call.boost)


def apply_boosts(
    snapshot: Snapshot, calls: Sequence[RecommendCall], batch: RequestBatch, candidates: Candidates
) -> Candidates:
    """The candidates, reordered by the boosts of each call; those of calls without boosts stay as they are."""
    indices = np.array([index for index, call in enumerate(calls) if call.boost], dtype=np.int64)
    if not len(indices):
        return candidates
    part = candidates.take(indices)
    rows, scores, sources = part.rows.copy(), part.scores.copy(), part.sources.copy()
    for place, index in enumerate(indices.tolist()):
        call = calls[index]
        filled = slice(int((rows[place] != PADDING_ROW).sum()))
        own_rows = rows[place, filled]
        own_scores = scores[place, filled].astype(np.float64)
        raised = own_scores + gains_of(snapshot, call, batch, index, own_rows, own_scores).sum(axis=0)
        order = boosted_order(raised, *_boost_filters(snapshot, call, own_rows))
        rows[place, filled], scores[place, filled] = own_rows[order], raised[order]
        sources[place, filled] = sources[place, filled][order]
    return candidates.with_requests(indices, Candidates(rows, scores, sources, part.query_vectors))


def gains_of(
    snapshot: Snapshot,
    call: RecommendCall,
    batch: RequestBatch,
    index: int,
    rows: NDArray[np.int64],
    scores: NDArray[np.float64],
) -> NDArray[np.float64]:
    """What each boost of a call adds to each of some items, `[boosts, n]`.

    Args:
        snapshot: the loaded bundle.
        call: the call with the boosts.
        batch: the requests.
        index: the call's place in the batch.
        rows: `[n]`.
        scores: `[n]`, before any boost.
    """
    passes, factors = _boost_filters(snapshot, call, rows)
    request = batch.take(np.array([index]))
    are_logits = bool((request.has_signal() | request.searches())[0])
    return boost_gains(scores, passes, factors, are_logits=are_logits)


def apply_rules(
    snapshot: Snapshot,
    calls: Sequence[RecommendCall],
    batch: RequestBatch,
    candidates: Candidates,
    depths: Sequence[int],
    item_mask: ItemMask = ALL_ITEMS,
) -> list[RankedList]:
    """The list of each call: its candidates, best first, with its diversity and pins.

    A pinned item that is no candidate is scored as one would be. One that must not be answered is not pinned.

    Args:
        snapshot: the loaded bundle.
        calls: the parsed requests.
        batch: the requests.
        candidates: the candidates of each request, boosted.
        depths: how many items the list of each call may have.
        item_mask: which items may be answered.
    """
    counts = np.minimum((candidates.rows != PADDING_ROW).sum(axis=1), depths).tolist()
    lists = [
        RankedList(candidates.rows[index, :count], candidates.scores[index, :count])
        for index, count in enumerate(counts)
    ]
    if not any(map(has_rules, calls)):
        return lists
    pins = [_allowed_pins(call, batch, index, item_mask) for index, call in enumerate(calls)]
    missing = _score_missing_pins(snapshot, calls, batch, candidates, [ranked.rows for ranked in lists], pins)
    return [
        _apply_to_list(snapshot, call, ranked, extra, call_pins, named) if has_rules(call) else ranked
        for call, ranked, extra, call_pins, named in zip(calls, lists, missing, pins, _named_of(batch), strict=True)
    ]


def _named_of(batch: RequestBatch) -> list[NamedItems]:
    """The items that the query of each request names, none without a query."""
    matches = batch.matches or (None,) * len(batch)
    return [NamedItems() if match is None else match.lexical.named for match in matches]


def _diverse_order(
    snapshot: Snapshot,
    rows: NDArray[np.int64],
    scores: NDArray[np.float64],
    named: NamedItems,
    answered: int,
    diversity: float,
) -> NDArray[np.int64]:
    """The positions of a list in their new order. What the query names stays above the rest: each tier is a list of its
    own, since a score that is far above all others would leave no difference between them.
    """
    tiers = named.gains_of(rows)
    starts = np.flatnonzero(np.diff(tiers, prepend=np.nan))
    order = []
    for start, stop in pairwise([*starts.tolist(), len(rows)]):
        codes = snapshot.items.vectors[rows[start:stop]]
        order.append(start + diversified(scores[start:stop], codes, max(0, answered - start), diversity))
    return np.concatenate([np.zeros(0, dtype=np.int64), *order])


def _boost_filters(
    snapshot: Snapshot, call: RecommendCall, rows: NDArray[np.int64]
) -> tuple[list[NDArray[np.bool_]], list[float]]:
    """Of each boost, which rows pass its filter, and its factor."""
    return (
        [snapshot.filters.mask(boost.filter)[rows] for boost in call.boost],
        [boost.factor for boost in call.boost],
    )


def _allowed_pins(call: RecommendCall, batch: RequestBatch, index: int, item_mask: ItemMask) -> tuple[Pin, ...]:
    """The pins whose items may be answered."""
    if not call.pin:
        return ()
    mask = item_mask.of(index)
    excluded = set(batch.exclude_rows[index].tolist())
    return tuple(pin for pin in call.pin if pin.row not in excluded and (mask is None or mask[pin.row]))


def _score_missing_pins(
    snapshot: Snapshot,
    calls: Sequence[RecommendCall],
    batch: RequestBatch,
    candidates: Candidates,
    lists: Sequence[NDArray[np.int64]],
    pins: Sequence[Sequence[Pin]],
) -> list[dict[int, float]]:
    """Of each call, the pinned rows that its list lacks, and their scores among its candidates, boosted alike."""
    lacking = [
        np.setdiff1d(np.array([pin.row for pin in call_pins], dtype=np.int64), rows) if call_pins else rows[:0]
        for rows, call_pins in zip(lists, pins, strict=True)
    ]
    indices = np.array([index for index, rows in enumerate(lacking) if len(rows)], dtype=np.int64)
    missing: list[dict[int, float]] = [{} for _ in lists]
    if not len(indices):
        return missing
    pool = list_of([np.concatenate([lists[index], lacking[index]]) for index in indices.tolist()])
    pool_scores = score_list(snapshot, batch.take(indices), pool, candidates.query_vectors[indices])
    for place, index in enumerate(indices.tolist()):
        part = pool.part(place)
        rows = lacking[index]
        scores = pool_scores[part][np.searchsorted(pool.rows[part], rows)].astype(np.float64)
        raised = scores + gains_of(snapshot, calls[index], batch, index, rows, scores).sum(axis=0)
        missing[index] = dict(zip(rows.tolist(), raised.tolist(), strict=True))
    return missing


def _one_a_group(snapshot: Snapshot, call: RecommendCall, pins: tuple[Pin, ...]) -> tuple[Pin, ...]:
    """The pins of a call with groups, the first of each group; all of another call."""
    if call.group_by is None:
        return pins
    column = snapshot.filters.column(call.group_by, "group_by")
    rows = np.array([pin.row for pin in pins], dtype=np.int64)
    return tuple(pins[position] for position in first_of_groups(rows, column, len(pins)).tolist())


def _outside_groups(
    snapshot: Snapshot, call: RecommendCall, rows: NDArray[np.int64], pins: tuple[Pin, ...]
) -> NDArray[np.bool_]:
    """`[n]`, which rows are no pins, and with groups: belong to no group that has a pin."""
    pinned = np.array([pin.row for pin in pins], dtype=np.int64)
    others = ~np.isin(rows, pinned)
    if call.group_by is None:
        return others
    codes = snapshot.filters.column(call.group_by, "group_by").codes
    groups = codes[pinned]
    return others & ~np.isin(codes[rows], groups[groups != NO_VALUE])


def _apply_to_list(
    snapshot: Snapshot,
    call: RecommendCall,
    ranked: RankedList,
    missing: dict[int, float],
    pins: tuple[Pin, ...],
    named: NamedItems,
) -> RankedList:
    """One list with its rules; `missing` are the pinned rows that it lacks, with their scores, and `named` those that
    its query names.
    """
    rows, scores = ranked.rows, ranked.scores.astype(np.float64)
    if missing:
        rows = np.concatenate([rows, np.array(list(missing), dtype=np.int64)])
        scores = np.concatenate([scores, np.array(list(missing.values()), dtype=np.float64)])
    score_of = dict(zip(rows.tolist(), scores.tolist(), strict=True)) if pins else {}
    if pins:
        pins = _one_a_group(snapshot, call, pins)
        others = _outside_groups(snapshot, call, rows, pins)
        rows, scores = rows[others], scores[others]
    if call.diversity:
        pinned_above = sum(pin.position <= call.k for pin in pins)
        order = _diverse_order(snapshot, rows[:AMONG], scores[:AMONG], named, call.k - pinned_above, call.diversity)
        rows, scores = (np.concatenate([values[order], values[AMONG:]]) for values in (rows, scores))
    if pins:
        rows, scores = with_pins(rows, scores, pins, [score_of[pin.row] for pin in pins])
    return RankedList(rows, scores, pins)
