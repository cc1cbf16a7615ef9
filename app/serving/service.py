"""Recommendations of one process: from a call to its answer, by the release that is served."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from app.artifact.hashing import stable_hash
from app.errors import CursorExpired, InvalidRequest
from app.serving.batcher import HasLeft, Submission
from app.serving.call import Answer, RecommendCall
from app.serving.cost import cost_of
from app.serving.cursor import Rest
from app.serving.cursor_keys import CursorKeys
from app.serving.lane_batchers import LaneBatchers
from app.serving.lanes import Lane, Lanes
from app.serving.late import TIMEOUT, late_answer
from app.serving.pages import page_of
from app.serving.release import Release
from app.serving.right_of_way import RightOfWay
from app.serving.run import Depths, Fetched, answer_batch
from app.serving.states import StateFetcher
from app.stores.protocol import UserStore
from app.stores.state import StatesRead
from app.telemetry.metrics import Metrics
from app.telemetry.stages import StageTimer


@dataclass(frozen=True)
class ServiceLimits:
    """What one process takes on."""

    retrieve_depth: int = 200  # candidates of a plain call, those that the ranker reads, and the largest `k`
    list_depth: int = 1_000  # candidates of a call that searches, filters, sorts or has rules
    max_batch: int = 64  # calls answered in one run
    max_pending: int = 1_024  # calls that wait or are under way
    timeout_ms: float = 1_000.0  # of a call that names none
    engine_threads: int = 1  # that work on cheap calls


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
        self._depths = Depths(limits.retrieve_depth, limits.list_depth)
        self.right_of_way: Final = RightOfWay()
        """Of the calls that are worked out, before what can wait."""
        self.lanes: Final = Lanes(Lane("engine", limits.engine_threads))
        self._batchers = LaneBatchers[RecommendCall, Answer](
            self._answer, self.lanes, limits.max_batch, limits.max_pending, metrics
        )
        store.seed(release.version, release.states)
        self._show(release)
        metrics.watch_pending(lambda: self._batchers.pending)

    @property
    def release(self) -> Release:
        """What is served now. A request takes it once, and holds it to the end."""
        return self._release

    def swap(self, release: Release) -> None:
        """Serve `release` from now on; requests under way end with the one they began with."""
        self._store.seed(release.version, release.states)
        if release.version != self._release.version:
            self._earlier = self._release
        self._release = release
        self._show(release)

    def show_view(self, view: Release) -> None:
        """Serve the same version with items as they are now from now on."""
        assert view.version == self._release.version  # noqa: S101 - whoever makes views waits for another version
        self._release = view

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

    @property
    def timeout_ms(self) -> float:
        """Milliseconds that a call may take which names none itself."""
        return self._limits.timeout_ms

    async def recommend(
        self,
        call: RecommendCall,
        release: Release,
        has_left: HasLeft | None = None,
        read: StatesRead | None = None,
    ) -> Answer:
        """The answer to one call, the same alone and in any company.

        It takes as long as it takes: whoever does not want to wait cancels it, and asks for a `late_answer`.

        Args:
            call: the parsed request.
            release: the current one when the request came.
            has_left: tells whether nobody waits for the answer any more.
            read: the states of its people, where they were read when it came.

        Raises:
            InvalidRequest: `k` is larger than the depth.
            Overloaded: too many calls wait already.
            ClientDisconnected: nobody waits for the answer.
        """
        depth = self._limits.retrieve_depth
        if call.k > depth:
            raise InvalidRequest(f"k must be at most {depth}, got {call.k}: ask for fewer items", "k")
        cost = cost_of(call, release.snapshot.items.selectable.shape[1])
        return await self._batchers.answer(release, call, has_left, cost, read)

    def late_answer(self, call: RecommendCall, release: Release) -> Answer:
        """What a call gets whose time has run out: what is popular. It takes next to no time."""
        self._metrics.count_degraded(TIMEOUT)
        return late_answer(release, call, self.states.bundled(release, call))

    async def _answer(
        self, lane: Lane, release: Release, submissions: Sequence[Submission[RecommendCall]]
    ) -> list[Answer | None]:
        timer = StageTimer()
        calls = [submission.call for submission in submissions]
        states, degraded = await self.states.fetch(release, calls, [submission.read for submission in submissions])
        timer.lap("state")
        fetched = Fetched(calls, states, degraded)

        def work(which: Sequence[int]) -> list[Answer]:
            return answer_batch(release, fetched.take(which), self._depths, timer)

        answers = await self._batchers.work_out(lane, submissions, work)
        self._metrics.observe_batch(len(calls))
        for stage, seconds in timer.stages:
            self._metrics.observe_stage(stage, seconds)
        return answers
