"""One run: what the engine does for a batch of calls, from states to answers. It runs in a thread of a lane."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from app.engine.candidates import Candidates
from app.engine.reasons import SCORE_DECIMALS, Reason
from app.engine.recommend import recommend
from app.engine.requests import RequestBatch
from app.engine.text.text_match import QueryText
from app.serving.assemble import assemble, unknown_item_ids_of
from app.serving.call import Answer, RecommendCall
from app.serving.explain import explain
from app.serving.nothing_found import popular_beside, similar_queries
from app.serving.release import Release
from app.serving.rules import RankedList, apply_boosts, apply_rules, has_rules
from app.serving.selection import Selection, has_selection, item_mask_of, select, sort_and_group
from app.stores.state import UserState
from app.telemetry.stages import StageTimer


@dataclass(frozen=True, slots=True)
class Depths:
    """How many items a list may have."""

    retrieve: int  # of a plain call; as many candidates does the ranker read
    list: int  # of a call that searches, filters, sorts or has rules

    def of(self, call: RecommendCall) -> int:
        """How many candidates the list of a call may have.

        Retrieval is exact and breaks ties by row, and the ranker reads as many of its candidates for every call: so the
        best are the same at any depth, and an answer does not depend on the depth of other calls in its batch.
        """
        goes_deep = call.query is not None or has_rules(call) or has_selection(call)
        return max(self.list, self.retrieve) if goes_deep else self.retrieve


@dataclass(frozen=True, slots=True)
class Fetched:
    """What was fetched for the calls of a run; one entry a call each."""

    calls: Sequence[RecommendCall]
    states: Sequence[UserState | None]
    degraded: Sequence[list[str]]

    def take(self, indices: Sequence[int]) -> "Fetched":
        """The chosen calls, in that order."""
        return Fetched(
            [self.calls[index] for index in indices],
            [self.states[index] for index in indices],
            [self.degraded[index] for index in indices],
        )


@dataclass(frozen=True)
class _BatchResult:
    """What the engine made of a batch, from which answers are cut; sequences have one entry a call."""

    batch: RequestBatch
    selections: Sequence[Selection]
    candidates: Candidates
    lists: Sequence[RankedList]
    reasons: Sequence[list[list[Reason]] | None]
    degraded: Sequence[list[str]]


def answer_batch(release: Release, fetched: Fetched, depths_of: Depths, timer: StageTimer) -> list[Answer]:
    """The answers to calls that begin with the same release, in their order.

    Args:
        release: answers them.
        fetched: the calls, with what is stored of their users.
        depths_of: how long lists may be.
        timer: of the batch; its stages are those of all answers.
    """
    timer.skip()  # until a thread was free
    snapshot, calls = release.snapshot, fetched.calls
    batch = assemble(calls, fetched.states, snapshot.items, snapshot.manifest.shapes.window, release.clock())
    timer.lap("assemble")
    if snapshot.search is not None and any(call.query is not None for call in calls):
        batch = replace(batch, matches=snapshot.search.matches([query_of(call) for call in calls]))
        timer.lap("match")
    depths = [depths_of.of(call) for call in calls]
    selections = [
        select(snapshot, call, exclude_rows, depth)
        for call, exclude_rows, depth in zip(calls, batch.exclude_rows, depths, strict=True)
    ]
    item_mask = item_mask_of(selections)
    candidates = recommend(snapshot, batch, max(depths), item_mask=item_mask, rerank_depth=depths_of.retrieve)
    compared_rows = candidates.compared_rows or [None] * len(calls)
    candidates = apply_boosts(snapshot, calls, batch, candidates)
    candidates = sort_and_group(snapshot, batch, candidates, selections, max(depths))
    lists = apply_rules(snapshot, calls, batch, candidates, depths, item_mask)
    timer.lap("engine")
    reasons: Sequence[list[list[Reason]] | None] = [None] * len(calls)
    if any(call.explain for call in calls):
        reasons = explain(snapshot, calls, batch, lists, max(depths), depths_of.retrieve, item_mask, compared_rows)
        timer.lap("explain")
    result = _BatchResult(batch, selections, candidates, lists, reasons, fetched.degraded)
    answers = [_answer_of(release, result, index, timer.stages) for index in range(len(calls))]
    timer.lap("answer")
    return answers


def query_of(call: RecommendCall) -> QueryText | None:
    """What a call searches for."""
    return None if call.query is None else QueryText(call.query, call.exact)


def _answer_of(release: Release, result: _BatchResult, index: int, stages: list[tuple[str, float]]) -> Answer:
    """The first page of one call's list.

    Args:
        release: the one that the batch is answered from.
        result: what the engine made of the batch.
        index: the call's place in the batch.
        stages: names and seconds of the batch's stages, to which later ones are still added.
    """
    selection, ranked_list = result.selections[index], result.lists[index]
    call, snapshot = selection.call, release.snapshot
    rows = ranked_list.rows[: call.k].tolist()
    candidates, matches = result.candidates, result.batch.matches
    matched_items = None if candidates.matched_items is None else candidates.matched_items[index]
    if matched_items is not None and ranked_list.pins:
        matched_items = matched_items.copy()
        matched_items[[pin.row for pin in ranked_list.pins]] = True
    match = None if matches is None else matches[index]
    total = selection.total(matched_items)
    is_empty = match is not None and total == 0
    return Answer(
        model_version=release.version,
        item_rows=rows,
        item_ids=[release.item_ids[row] for row in rows],
        scores=np.round(ranked_list.scores[: call.k].astype(np.float64), SCORE_DECIMALS).tolist(),
        reasons=result.reasons[index],
        total=total,
        degraded=result.degraded[index],
        unknown_item_ids=unknown_item_ids_of(call, snapshot.items),
        stages=stages,
        facets=selection.facets(matched_items),
        corrected_query=None if match is None else match.corrected,
        matched_by=None if match is None else match.hits.matched_by,
        dropped_words=() if match is None else match.hits.dropped_words,
        query_kinds=() if match is None or match.meaning is None else match.meaning.kinds,
        similar_queries=similar_queries(snapshot, match) if is_empty and match is not None else None,
        popular_rows=popular_beside(snapshot, call, selection) if is_empty else None,
        rest=(ranked_list.rows[call.k :], ranked_list.scores[call.k :]),
    )
