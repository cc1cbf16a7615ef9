"""How likely users are to view, cart or purchase the items that a caller names, answered in groups."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.artifact.names import PADDING_ROW
from app.artifact.parts import RANKER
from app.engine.recommend import retrieve
from app.engine.requests import pad_rows
from app.errors import InvalidRequest
from app.serving.assemble import assemble
from app.serving.batcher import HasLeft, Submission
from app.serving.call import RecommendCall
from app.serving.cost import prediction_cost_of
from app.serving.lane_batchers import LaneBatchers
from app.serving.lanes import Lane
from app.serving.release import Release
from app.serving.service import RecommendService, ServiceLimits
from app.stores.state import UserState
from app.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class PredictCall:
    """A user, and the items to predict the user's behaviour with."""

    user: RecommendCall  # only what says who it is and what happened is read
    item_ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class Prediction:
    """The probabilities of one item."""

    item_id: str
    probabilities: list[float] | None  # by behaviour, in the bundle's order; `None` where the catalogue lacks the item


@dataclass(frozen=True, slots=True)
class Predictions:
    """The predictions of one call, for each of its items."""

    model_version: str
    behaviours: list[str]
    calibrated: list[
        bool | None
    ]  # of each behaviour, whether its probabilities come true; None where nobody has looked
    items: list[Prediction]  # in the call's order
    degraded: list[str]


class PredictService:
    """Answers from the releases and the states of a `RecommendService`.

    Args:
        recommender: fetches the states.
        limits: what this process takes on.
        metrics: counts batches.
    """

    def __init__(self, recommender: RecommendService, limits: ServiceLimits, metrics: Metrics) -> None:
        self._states = recommender.states
        self._metrics = metrics
        self._depth = limits.retrieve_depth
        self._batchers = LaneBatchers[PredictCall, Predictions](
            self._answer, recommender.lanes, limits.max_batch, limits.max_pending, metrics
        )

    async def predict(self, call: PredictCall, release: Release, has_left: HasLeft | None = None) -> Predictions:
        """The predictions of one call, the same alone and in any company.

        Args:
            call: the parsed request.
            release: the current one when the request came.
            has_left: tells whether nobody waits for the answer any more.

        Raises:
            InvalidRequest: the bundle has no ranker, and so predicts nothing.
            Overloaded: too many calls wait already.
            ClientDisconnected: nobody waits for the answer.
        """
        if release.snapshot.ranker is None:
            unreadable = release.snapshot.parts.unreadable.get(RANKER)
            if unreadable is not None:
                raise InvalidRequest(f"bundle {release.version} predicts nothing here: {unreadable}")
            raise InvalidRequest(
                f"bundle {release.version} predicts nothing: its data validates too few users to learn from: train on "
                "more events"
            )
        events = 0 if call.user.recent_events is None else len(call.user.recent_events.item_ids)
        return await self._batchers.answer(release, call, has_left, prediction_cost_of(len(call.item_ids), events))

    async def _answer(
        self, lane: Lane, release: Release, submissions: Sequence[Submission[PredictCall]]
    ) -> list[Predictions | None]:
        calls = [submission.call for submission in submissions]
        states, degraded = await self._states.fetch(release, [call.user for call in calls])

        def work(which: Sequence[int]) -> list[Predictions]:
            return self._predict(
                release,
                [calls[index] for index in which],
                [states[index] for index in which],
                [degraded[index] for index in which],
            )

        answers = await self._batchers.work_out(lane, submissions, work)
        self._metrics.observe_batch(len(calls))
        return answers

    def _predict(
        self,
        release: Release,
        calls: Sequence[PredictCall],
        states: Sequence[UserState | None],
        degraded: Sequence[list[str]],
    ) -> list[Predictions]:
        """The predictions of calls; runs in a thread."""
        snapshot = release.snapshot
        users = [call.user for call in calls]
        batch = assemble(users, states, snapshot.items, snapshot.manifest.shapes.window, release.clock())
        rows = [[snapshot.items.answerable_row_of(item_id) for item_id in call.item_ids] for call in calls]
        known_rows = pad_rows([np.array([row for row in of_call if row], dtype=np.int64) for of_call in rows])
        ranker = snapshot.ranker
        if ranker is None:  # refused on the way in
            raise InvalidRequest(f"bundle {release.version} predicts nothing")
        probabilities = ranker.predict(batch, retrieve(snapshot, batch, self._depth), known_rows)
        calibrated = ranker.spec.calibrated(snapshot.manifest.metrics)
        answers = []
        for call, call_rows, of_known, missing in zip(calls, rows, probabilities, degraded, strict=True):
            values = iter(np.round(of_known, 6).tolist())
            items = [
                Prediction(item_id, next(values) if row != PADDING_ROW else None)
                for item_id, row in zip(call.item_ids, call_rows, strict=True)
            ]
            answers.append(Predictions(release.version, ranker.spec.behaviours, calibrated, items, missing))
        return answers
