"""One batch from call to answer: fetch state, assemble, run the engine, cut to `k`. Reads as a table of contents."""

import logging
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from app.artifact.hashing import stable_hash, stable_hashes
from app.artifact.names import PADDING_ROW
from app.artifact.user_state import read_user_states
from app.engine.candidates import Candidates
from app.engine.items import Items
from app.engine.reasons import reasons_of
from app.engine.recommend import recommend
from app.engine.requests import RequestBatch
from app.engine.snapshot import Snapshot
from app.errors import BundleCorrupt, InvalidRequest
from app.serving.assemble import assemble
from app.serving.batcher import Batcher
from app.serving.call import Answer, RecommendCall
from app.stores.memory import MemoryUserStore
from app.stores.protocol import UserState, UserStore
from app.telemetry.metrics import Metrics
from app.telemetry.stages import StageTimer

USER_STATE = "user_state"  # named in `degraded` when the store could not be asked
_SCORE_DECIMALS = 6  # past them a score differs between processors

log = logging.getLogger(__name__)


class RecommendService:
    """Answers calls from one loaded bundle and a store of user states.

    Args:
        snapshot: the bundle.
        users: what is known of users.
        clock: tells 'now' in unix seconds, NaN without a clock.
        depth: candidates of every call, and the largest `k`.
        max_batch: calls answered in one run.
        metrics: told of batches and stages.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        users: UserStore,
        clock: Callable[[], float],
        depth: int,
        max_batch: int,
        metrics: Metrics,
    ) -> None:
        self.snapshot = snapshot
        self._users = users
        self._clock = clock
        self._depth = depth
        self._metrics = metrics
        self._batcher = Batcher(self._answer, max_batch)
        items = snapshot.items
        self._ids = [items.id_of(row) for row in range(items.count + 1)]  # a text column is slow to read item by item
        metrics.show_bundle(snapshot.manifest.version, snapshot.manifest.dataset)

    async def recommend(self, call: RecommendCall) -> Answer:
        """The answer to one call, the same alone and in any company.

        Raises:
            InvalidRequest: `k` is larger than the depth.
        """
        if call.k > self._depth:
            raise InvalidRequest(f"k must be at most {self._depth}, came {call.k}: ask for fewer items", "k")
        return await self._batcher.submit(call)

    async def _answer(self, calls: Sequence[RecommendCall]) -> list[Answer]:
        timer = StageTimer()
        states, degraded = await self._fetch(calls)
        timer.lap("state")
        snapshot = self.snapshot
        batch = assemble(calls, states, snapshot.items, snapshot.manifest.shapes.window, self._clock())
        timer.lap("assemble")
        candidates = recommend(snapshot, batch, self._depth_for(calls))
        timer.lap("engine")
        answers = self._answers(calls, batch, candidates, degraded, timer)
        timer.lap("answer")
        self._metrics.observe_batch(len(calls))
        for stage, seconds in timer.stages:
            self._metrics.observe_stage(stage, seconds)
        return answers

    def _depth_for(self, calls: Sequence[RecommendCall]) -> int:
        """How many candidates a batch needs: a ranker reads all of them.

        Without one nothing is read past the largest `k`. Retrieval is exact and breaks ties by place, so the best `k`
        are the same at any depth, and a call's answer does not depend on the `k` of those beside it.
        """
        return self._depth if self.snapshot.ranker is not None else max(call.k for call in calls)

    async def _fetch(self, calls: Sequence[RecommendCall]) -> tuple[list[UserState | None], list[list[str]]]:
        """The state of each call's user, else visitor, and what was missing; one round trip for all."""
        wanted = [[stable_hash(user_id) for user_id in call.user_ids()] for call in calls]
        hashes = [user_hash for of_call in wanted for user_hash in of_call]
        if not hashes:
            return [None] * len(calls), [[] for _ in calls]
        try:
            fetched = iter(await self._users.fetch(hashes))
        except OSError as error:
            log.warning(
                "user states could not be fetched", extra={"reason": type(error).__name__, "users": len(hashes)}
            )
            for of_call in wanted:
                if of_call:
                    self._metrics.count_degraded(USER_STATE)
            return [None] * len(calls), [[USER_STATE] if of_call else [] for of_call in wanted]
        found = [[next(fetched) for _ in of_call] for of_call in wanted]
        return [next((state for state in of_call if state), None) for of_call in found], [[] for _ in calls]

    def _answers(
        self,
        calls: Sequence[RecommendCall],
        batch: RequestBatch,
        candidates: Candidates,
        degraded: Sequence[list[str]],
        timer: StageTimer,
    ) -> list[Answer]:
        widest = max(call.k for call in calls)
        found = (candidates.rows[:, :widest] != PADDING_ROW).sum(axis=1).tolist()
        all_rows = candidates.rows[:, :widest].tolist()
        all_scores = np.round(candidates.scores[:, :widest].astype(np.float64), _SCORE_DECIMALS).tolist()
        answers = []
        for line, call in enumerate(calls):
            count = min(call.k, found[line])
            rows = all_rows[line][:count]
            answers.append(
                Answer(
                    model_version=self.snapshot.manifest.version,
                    item_rows=rows,
                    item_ids=[self._ids[row] for row in rows],
                    scores=all_scores[line][:count],
                    reasons=reasons_of(
                        self.snapshot.items,
                        batch.event_rows[line],
                        batch.event_types[line],
                        candidates.rows[line, :count],
                        candidates.sources[line, :count],
                    )
                    if call.explain
                    else None,
                    total=min(self._depth, self.snapshot.items.count - _distinct(batch.exclude_rows[line])),
                    degraded=degraded[line],
                    stages=timer.stages,
                )
            )
        return answers


def bundled_users(snapshot: Snapshot) -> MemoryUserStore:
    """The store seeded with the users that came with the bundle.

    Raises:
        BundleCorrupt: they cannot be read.
    """
    try:
        states = read_user_states(snapshot.folder)
    except (OSError, ValueError) as error:
        raise BundleCorrupt(f"{snapshot.folder}: users cannot be read ({error}); export it again") from error
    return MemoryUserStore(states, _item_hashes(snapshot.items))


def _distinct(rows: NDArray[np.int64]) -> int:
    """How many different items are among these rows; row 0 is none."""
    return len(set(rows.tolist()) - {PADDING_ROW})


def _item_hashes(items: Items) -> NDArray[np.uint64]:
    """`[items + 1]`, the stable hash of the item in each row."""
    return stable_hashes(items.id_of(row) for row in range(items.count + 1))
