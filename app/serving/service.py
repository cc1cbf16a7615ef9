"""One batch from call to answer: fetch state, assemble, run the engine, cut to `k`. Reads as a table of contents."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from app.artifact.hashing import stable_hash
from app.engine.candidates import Candidates
from app.engine.reasons import SCORE_DECIMALS, Reason, settled
from app.engine.recommend import recommend
from app.engine.requests import RequestBatch
from app.errors import CursorExpired, InvalidRequest, Overloaded, StoreUnavailable
from app.serving.assemble import assemble, excluded_rows, rows_of
from app.serving.batcher import Batcher, IsGone
from app.serving.call import Answer, ClientLeft, RecommendCall
from app.serving.cursor import Rest
from app.serving.explain import explained
from app.serving.pages import page_of
from app.serving.release import Release
from app.serving.rules import Shaped, boosted, is_shaped, shaped
from app.serving.selection import Selection, arranged, is_selective, item_mask_of, select
from app.stores.protocol import UserStore
from app.stores.state import UserState, Wanted, joined
from app.telemetry.metrics import Metrics
from app.telemetry.stages import StageTimer

USER_STATE: Final = "user_state"  # in `degraded`: the store could not be asked, or may lack the newest events
TIMEOUT: Final = "timeout"  # in `degraded`: the answer was not there in time, this is what is popular

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServiceLimits:
    """What one process takes on."""

    depth: int = 200  # candidates of a plain call, those that the ranker reads, and the largest `k`
    list_depth: int = 1_000  # candidates of a call that searches, filters, sorts or has rules
    max_batch: int = 64  # calls answered in one run
    max_pending: int = 1_024  # calls that wait or are under way
    timeout_s: float = 1.0  # of a call that names none


@dataclass(frozen=True, slots=True)
class _Pending:
    call: RecommendCall
    release: Release


class RecommendService:
    """Answers calls from the current release and a store of user states.

    Args:
        release: to begin with.
        store: what is known of users.
        limits: what this process takes on.
        metrics: told of batches and stages.
    """

    def __init__(self, release: Release, store: UserStore, limits: ServiceLimits, metrics: Metrics) -> None:
        self._release = release
        self._earlier: Release | None = None
        self._store = store
        self._limits = limits
        self._metrics = metrics
        self._batcher: Batcher[_Pending, Answer] = Batcher(self._answer, limits.max_batch, limits.max_pending)
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

    def page(self, rest: Rest, k: int, release: Release) -> Answer:
        """The next `k` items of a list that an earlier answer began.

        Raises:
            InvalidRequest: `k` is larger than the depth.
            InvalidCursor: the list is not of that release.
        """
        return page_of(rest, k, release, self._limits.depth)

    async def recommend(self, call: RecommendCall, release: Release, is_gone: IsGone | None = None) -> Answer:
        """The answer to one call, the same alone and in any company; what is popular when its time runs out.

        Args:
            call: what is wanted.
            release: the current one when the request came.
            is_gone: tells whether nobody waits for the answer any more.

        Raises:
            InvalidRequest: `k` is larger than the depth.
            Overloaded: too many calls wait already.
            ClientLeft: nobody waits for the answer.
        """
        if call.k > self._limits.depth:
            raise InvalidRequest(f"k must be at most {self._limits.depth}, came {call.k}: ask for fewer items", "k")
        try:
            future = self._batcher.submit(_Pending(call, release), is_gone)
        except Overloaded:
            self._metrics.count_dropped("overloaded")
            raise
        seconds = self._limits.timeout_s if call.timeout_s is None else call.timeout_s
        timer = asyncio.get_running_loop().call_later(seconds, self._expire, future, call, release)
        try:
            return await future
        except ClientLeft:
            self._metrics.count_dropped("client_left")
            raise
        finally:
            timer.cancel()

    def _expire(self, future: asyncio.Future[Answer], call: RecommendCall, release: Release) -> None:
        if not future.done():
            self._metrics.count_degraded(TIMEOUT)
            future.set_result(self._late_answer(call, release))

    def _late_answer(self, call: RecommendCall, release: Release) -> Answer:
        """What is popular, without what the call does not want to see as far as the bundle knows."""
        timer = StageTimer()
        items = release.snapshot.items
        wanted = [Wanted(stable_hash(user_id), call.hidden) for user_id in call.user_ids()]
        state = next(filter(None, self._from_bundle(release, wanted)), None)
        excluded = excluded_rows(call, state, rows_of(items, call.context_item_ids), items)
        selection = select(release.snapshot, call, excluded, call.k)
        rows = selection.popular_rows(call.k)
        scores = np.round(items.popularity[rows].astype(np.float64), SCORE_DECIMALS).tolist()
        return Answer(
            model_version=release.version,
            item_rows=rows.tolist(),
            item_ids=[release.item_ids[row] for row in rows.tolist()],
            scores=scores,
            reasons=[settled(score, [], "popular") for score in scores] if call.explain else None,
            total=selection.total(),
            degraded=[TIMEOUT],
            stages=timer.stages,
            facets=selection.facets(),
        )

    async def _answer(self, pending: Sequence[_Pending]) -> list[Answer]:
        """Each by the release that it began with; nearly always there is but one."""
        releases = list({id(each.release): each.release for each in pending}.values())
        if len(releases) == 1:
            return await self._answer_by(releases[0], [each.call for each in pending])
        answers: dict[int, Answer] = {}
        for release in releases:
            places = [place for place, each in enumerate(pending) if each.release is release]
            found = await self._answer_by(release, [pending[place].call for place in places])
            answers.update(zip(places, found, strict=True))
        return [answers[place] for place in range(len(pending))]

    async def _answer_by(self, release: Release, calls: Sequence[RecommendCall]) -> list[Answer]:
        timer = StageTimer()
        states, degraded = await self.states_of(release, calls)
        timer.lap("state")
        snapshot = release.snapshot
        batch = assemble(calls, states, snapshot.items, snapshot.manifest.shapes.window, release.clock())
        timer.lap("assemble")
        if snapshot.search is not None and any(call.query is not None for call in calls):
            batch = replace(batch, matches=snapshot.search.matches([call.query for call in calls]))
            timer.lap("match")
        depths = [self._depth_of(call) for call in calls]
        selections = [
            select(snapshot, call, excluded, depth)
            for call, excluded, depth in zip(calls, batch.exclude_rows, depths, strict=True)
        ]
        item_mask = item_mask_of(selections)
        ranked = self._limits.depth
        candidates = recommend(snapshot, batch, max(depths), item_mask=item_mask, rerank_depth=ranked)
        candidates = boosted(snapshot, calls, batch, candidates)
        candidates = arranged(snapshot, batch, candidates, selections, max(depths))
        lists = shaped(snapshot, calls, batch, candidates, depths, item_mask)
        timer.lap("engine")
        reasons: Sequence[list[list[Reason]] | None] = [None] * len(calls)
        if any(call.explain for call in calls):
            reasons = explained(snapshot, calls, batch, lists, max(depths), ranked, item_mask)
            timer.lap("explain")
        answers = self._answers(release, selections, batch, candidates, lists, reasons, degraded, timer)
        timer.lap("answer")
        self._metrics.observe_batch(len(calls))
        for stage, seconds in timer.stages:
            self._metrics.observe_stage(stage, seconds)
        return answers

    def _depth_of(self, call: RecommendCall) -> int:
        """How many candidates the list of a call may have.

        Retrieval is exact and breaks ties by place, and the ranker reads as many of its candidates for every call: so
        the best are the same at any depth, and an answer does not depend on the depth of the calls beside it.
        """
        goes_deep = call.query is not None or is_shaped(call) or is_selective(call)
        return max(self._limits.list_depth, self._limits.depth) if goes_deep else self._limits.depth

    async def states_of(
        self, release: Release, calls: Sequence[RecommendCall]
    ) -> tuple[list[UserState | None], list[list[str]]]:
        """The state of each call's user, else visitor, and what was missing; one round trip for all.

        Where the store cannot be asked, the states as of the bundle's cut stand in; where it lacks what was published,
        they are joined by what is live.
        """
        wanted = [[Wanted(stable_hash(user_id), call.hidden) for user_id in call.user_ids()] for call in calls]
        all_wanted = [each for of_call in wanted for each in of_call]
        if not all_wanted:
            return [None] * len(calls), [[] for _ in calls]
        try:
            fetched = await self._store.fetch(release.version, all_wanted)
            found_states = fetched.states
            is_whole = fetched.is_whole and not self._store.lagging
            if not fetched.is_whole:
                bundled = self._from_bundle(release, all_wanted)
                found_states = [joined(*each) for each in zip(bundled, fetched.states, strict=True)]
        except StoreUnavailable as error:
            log.debug("user states could not be fetched", extra={"reason": error.message})
            found_states = self._from_bundle(release, all_wanted)
            is_whole = False
        states = iter(found_states)
        found = [[next(states) for _ in of_call] for of_call in wanted]
        degraded: list[list[str]] = [[USER_STATE] if of_call and not is_whole else [] for of_call in wanted]
        for missing in degraded:
            if missing:
                self._metrics.count_degraded(USER_STATE)
        return [next((state for state in of_call if state), None) for of_call in found], degraded

    def _from_bundle(self, release: Release, wanted: Sequence[Wanted]) -> list[UserState | None]:
        if not wanted:
            return []
        return [
            None if self._store.is_erased(each.user_hash) else state
            for each, state in zip(wanted, release.states.fetch(wanted), strict=True)
        ]

    def _answers(
        self,
        release: Release,
        selections: Sequence[Selection],
        batch: RequestBatch,
        candidates: Candidates,
        lists: Sequence[Shaped],
        reasons: Sequence[list[list[Reason]] | None],
        degraded: Sequence[list[str]],
        timer: StageTimer,
    ) -> list[Answer]:
        answers = []
        for line, (selection, whole) in enumerate(zip(selections, lists, strict=True)):
            call = selection.call
            rows = whole.rows[: call.k].tolist()
            searched = None if candidates.matched_items is None else candidates.matched_items[line]
            match = None if batch.matches is None else batch.matches[line]
            answers.append(
                Answer(
                    model_version=release.version,
                    item_rows=rows,
                    item_ids=[release.item_ids[row] for row in rows],
                    scores=np.round(whole.scores[: call.k].astype(np.float64), SCORE_DECIMALS).tolist(),
                    reasons=reasons[line],
                    total=selection.total(searched),
                    degraded=degraded[line],
                    stages=timer.stages,
                    facets=selection.facets(searched),
                    corrected_query=None if match is None else match.corrected,
                    matched_by=None if match is None else match.matched_by,
                    rest=(whole.rows[call.k :], whole.scores[call.k :]),
                )
            )
        return answers
