"""One batch from call to answer: fetch states, assemble, run the engine, cut to `k`. Reads as a table of contents."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np

from app.artifact.hashing import stable_hash
from app.engine.candidates import Candidates
from app.engine.reasons import SCORE_DECIMALS, Reason, round_reasons
from app.engine.recommend import recommend
from app.engine.requests import RequestBatch
from app.errors import CursorExpired, InvalidRequest, Overloaded
from app.serving.assemble import assemble, exclude_rows_of, rows_of, unknown_item_ids_of
from app.serving.batcher import Batcher, HasLeft, answer_by_release
from app.serving.call import Answer, ClientDisconnected, RecommendCall
from app.serving.cursor import Rest
from app.serving.cursor_keys import CursorKeys
from app.serving.explain import explain
from app.serving.pages import page_of
from app.serving.release import Release
from app.serving.rules import RankedList, apply_boosts, apply_rules, has_rules
from app.serving.selection import Selection, has_selection, item_mask_of, select, sort_and_group
from app.serving.states import StateFetcher
from app.stores.protocol import UserStore
from app.telemetry.metrics import Metrics
from app.telemetry.stages import StageTimer

TIMEOUT: Final = "timeout"  # in `degraded`: the answer was not there in time, this is what is popular


@dataclass(frozen=True)
class ServiceLimits:
    """What one process takes on."""

    retrieve_depth: int = 200  # candidates of a plain call, those that the ranker reads, and the largest `k`
    list_depth: int = 1_000  # candidates of a call that searches, filters, sorts or has rules
    max_batch: int = 64  # calls answered in one run
    max_pending: int = 1_024  # calls that wait or are under way
    timeout_ms: float = 1_000.0  # of a call that names none


@dataclass(frozen=True)
class BatchResult:
    """What the engine made of a batch, from which answers are cut; sequences have one entry a call."""

    batch: RequestBatch
    selections: Sequence[Selection]
    candidates: Candidates
    lists: Sequence[RankedList]
    reasons: Sequence[list[list[Reason]] | None]
    degraded: Sequence[list[str]]


class RecommendService:
    """Answers calls from the current release and a store of user states.

    Args:
        release: served first.
        store: keeps user states.
        limits: what this process takes on.
        metrics: counts batches, and times stages.
    """

    def __init__(self, release: Release, store: UserStore, limits: ServiceLimits, metrics: Metrics) -> None:
        self.states: Final = StateFetcher(store, metrics)
        self._release = release
        self._earlier: Release | None = None
        self._store = store
        self._limits = limits
        self._metrics = metrics
        self._batcher: Batcher[tuple[Release, RecommendCall], Answer] = Batcher(
            partial(answer_by_release, self._answer), limits.max_batch, limits.max_pending
        )
        store.seed(release.version, release.states)
        self._show(release)
        metrics.watch_pending(lambda: self._batcher.pending)

    @property
    def release(self) -> Release:
        """What is served now. A request takes it once, and holds it to the end."""
        return self._release

    def swap(self, release: Release) -> None:
        """Serve `release` from now on; requests under way end with the one they began with."""
        self._store.seed(release.version, release.states)
        if release is not self._release:
            self._earlier = self._release
        self._release = release
        self._show(release)

    def _show(self, release: Release) -> None:
        manifest = release.snapshot.manifest
        device = release.snapshot.retriever.device
        self._metrics.show_bundle(manifest.version, manifest.dataset, device, manifest.created_s, manifest.cut)

    def release_of(self, rest: Rest) -> Release:
        """The release that a list is of: the current one, or the one before it.

        Raises:
            CursorExpired: it is of neither.
        """
        for release in (self._release, self._earlier):
            if release is not None and stable_hash(release.version) == rest.version:
                return release
        raise CursorExpired(
            "cursor: its list is of a version that this service no longer has, or not yet: ask again without it",
            "cursor",
        )

    def page(self, rest: Rest, k: int, release: Release, keys: CursorKeys) -> Answer:
        """The next `k` items of a list that an earlier answer began; `keys` sign the cursor of those behind them.

        Raises:
            InvalidRequest: `k` is larger than the depth.
            InvalidCursor: the list is not of that release.
        """
        return page_of(rest, k, release, self._limits.retrieve_depth, keys)

    async def recommend(self, call: RecommendCall, release: Release, has_left: HasLeft | None = None) -> Answer:
        """The answer to one call, the same alone and in any company; what is popular when its time runs out.

        Args:
            call: the parsed request.
            release: the current one when the request came.
            has_left: tells whether nobody waits for the answer any more.

        Raises:
            InvalidRequest: `k` is larger than the depth.
            Overloaded: too many calls wait already.
            ClientDisconnected: nobody waits for the answer.
        """
        depth = self._limits.retrieve_depth
        if call.k > depth:
            raise InvalidRequest(f"k must be at most {depth}, got {call.k}: ask for fewer items", "k")
        try:
            future = self._batcher.submit((release, call), has_left)
        except Overloaded:
            self._metrics.count_dropped("overloaded")
            raise
        timeout_ms = self._limits.timeout_ms if call.timeout_ms is None else call.timeout_ms
        timer = asyncio.get_running_loop().call_later(timeout_ms / 1e3, self._expire, future, call, release)
        try:
            return await future
        except ClientDisconnected:
            self._metrics.count_dropped("client_left")
            raise
        finally:
            timer.cancel()

    def _expire(self, future: asyncio.Future[Answer], call: RecommendCall, release: Release) -> None:
        if not future.done():
            self._metrics.count_degraded(TIMEOUT)
            future.set_result(self._late_answer(call, release))

    def _late_answer(self, call: RecommendCall, release: Release) -> Answer:
        """What is popular, without what the call excludes as far as the bundle knows."""
        timer = StageTimer()
        items = release.snapshot.items
        state = self.states.bundled(release, call)
        exclude_rows = exclude_rows_of(call, state, rows_of(items, call.context_item_ids), items)
        selection = select(release.snapshot, call, exclude_rows, call.k)
        rows = selection.popular_rows(call.k)
        scores = np.round(items.popularity[rows].astype(np.float64), SCORE_DECIMALS).tolist()
        return Answer(
            model_version=release.version,
            item_rows=rows.tolist(),
            item_ids=[release.item_ids[row] for row in rows.tolist()],
            scores=scores,
            reasons=[round_reasons(score, [], "popular") for score in scores] if call.explain else None,
            total=selection.total(),
            degraded=[TIMEOUT],
            unknown_item_ids=unknown_item_ids_of(call, items),
            stages=timer.stages,
            facets=selection.facets(),
        )

    async def _answer(self, release: Release, calls: Sequence[RecommendCall]) -> list[Answer]:
        timer = StageTimer()
        states, degraded = await self.states.fetch(release, calls)
        timer.lap("state")
        snapshot = release.snapshot
        batch = assemble(calls, states, snapshot.items, snapshot.manifest.shapes.window, release.clock())
        timer.lap("assemble")
        if snapshot.search is not None and any(call.query is not None for call in calls):
            batch = replace(batch, matches=snapshot.search.matches([call.query for call in calls]))
            timer.lap("match")
        depths = [self._depth_of(call) for call in calls]
        selections = [
            select(snapshot, call, exclude_rows, depth)
            for call, exclude_rows, depth in zip(calls, batch.exclude_rows, depths, strict=True)
        ]
        item_mask = item_mask_of(selections)
        rerank_depth = self._limits.retrieve_depth
        candidates = recommend(snapshot, batch, max(depths), item_mask=item_mask, rerank_depth=rerank_depth)
        candidates = apply_boosts(snapshot, calls, batch, candidates)
        candidates = sort_and_group(snapshot, batch, candidates, selections, max(depths))
        lists = apply_rules(snapshot, calls, batch, candidates, depths, item_mask)
        timer.lap("engine")
        reasons: Sequence[list[list[Reason]] | None] = [None] * len(calls)
        if any(call.explain for call in calls):
            reasons = explain(snapshot, calls, batch, lists, max(depths), rerank_depth, item_mask)
            timer.lap("explain")
        result = BatchResult(batch, selections, candidates, lists, reasons, degraded)
        answers = [_answer_of(release, result, index, timer.stages) for index in range(len(calls))]
        timer.lap("answer")
        self._metrics.observe_batch(len(calls))
        for stage, seconds in timer.stages:
            self._metrics.observe_stage(stage, seconds)
        return answers

    def _depth_of(self, call: RecommendCall) -> int:
        """How many candidates the list of a call may have.

        Retrieval is exact and breaks ties by row, and the ranker reads as many of its candidates for every call: so the
        best are the same at any depth, and an answer does not depend on the depth of other calls in its batch.
        """
        goes_deep = call.query is not None or has_rules(call) or has_selection(call)
        return max(self._limits.list_depth, self._limits.retrieve_depth) if goes_deep else self._limits.retrieve_depth


def _answer_of(release: Release, result: BatchResult, index: int, stages: list[tuple[str, float]]) -> Answer:
    """The first page of one call's list.

    Args:
        release: the one that the batch is answered from.
        result: what the engine made of the batch.
        index: the call's place in the batch.
        stages: names and seconds of the batch's stages, to which later ones are still added.
    """
    selection, ranked_list = result.selections[index], result.lists[index]
    k = selection.call.k
    rows = ranked_list.rows[:k].tolist()
    candidates, matches = result.candidates, result.batch.matches
    matched_items = None if candidates.matched_items is None else candidates.matched_items[index]
    match = None if matches is None else matches[index]
    return Answer(
        model_version=release.version,
        item_rows=rows,
        item_ids=[release.item_ids[row] for row in rows],
        scores=np.round(ranked_list.scores[:k].astype(np.float64), SCORE_DECIMALS).tolist(),
        reasons=result.reasons[index],
        total=selection.total(matched_items),
        degraded=result.degraded[index],
        unknown_item_ids=unknown_item_ids_of(selection.call, release.snapshot.items),
        stages=stages,
        facets=selection.facets(matched_items),
        corrected_query=None if match is None else match.corrected,
        matched_by=None if match is None else match.matched_by,
        rest=(ranked_list.rows[k:], ranked_list.scores[k:]),
    )
