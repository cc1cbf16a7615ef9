"""How likely users are to view, cart or purchase the items that a caller names, answered in groups."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.artifact.names import PADDING_ROW
from app.engine.recommend import retrieve
from app.engine.requests import pad_rows
from app.errors import InvalidRequest
from app.serving.assemble import assemble
from app.serving.batcher import Batcher, IsGone
from app.serving.call import RecommendCall
from app.serving.release import Release
from app.serving.service import RecommendService, ServiceLimits
from app.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class PredictCall:
    """Whose behaviour with which items is asked for."""

    asked_by: RecommendCall
    item_ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class Prediction:
    """Of one item, in the order of the bundle's behaviours; `None` for an item that the catalogue lacks."""

    item_id: str
    probabilities: list[float] | None


@dataclass(frozen=True, slots=True)
class Predictions:
    """Of one call, item by item in its order."""

    model_version: str
    behaviours: list[str]
    items: list[Prediction]
    degraded: list[str]


@dataclass(frozen=True, slots=True)
class _Pending:
    call: PredictCall
    release: Release


class PredictService:
    """Answers from the release and the states of a `RecommendService`.

    Args:
        service: whose release is asked.
        limits: what this process takes on.
        metrics: told of batches.
    """

    def __init__(self, service: RecommendService, limits: ServiceLimits, metrics: Metrics) -> None:
        self._service = service
        self._metrics = metrics
        self._depth = limits.depth
        self._batcher: Batcher[_Pending, Predictions] = Batcher(self._answer, limits.max_batch, limits.max_pending)

    async def predict(self, call: PredictCall, release: Release, is_gone: IsGone | None = None) -> Predictions:
        """The predictions of one call, the same alone and in any company.

        Args:
            call: what is wanted.
            release: the current one when the request came.
            is_gone: tells whether nobody waits for the answer any more.

        Raises:
            InvalidRequest: the bundle has no ranker, and so predicts nothing.
            Overloaded: too many calls wait already.
            ClientLeft: nobody waits for the answer.
        """
        if release.snapshot.ranker is None:
            raise InvalidRequest(
                f"bundle {release.version} predicts nothing: its data validates too few users to learn from; train on "
                "more events"
            )
        return await self._batcher.submit(_Pending(call, release), is_gone)

    async def _answer(self, pending: Sequence[_Pending]) -> list[Predictions]:
        answers: dict[int, Predictions] = {}
        for release in {id(each.release): each.release for each in pending}.values():
            places = [place for place, each in enumerate(pending) if each.release is release]
            found = await self._answer_by(release, [pending[place].call for place in places])
            answers.update(zip(places, found, strict=True))
        return [answers[place] for place in range(len(pending))]

    async def _answer_by(self, release: Release, calls: Sequence[PredictCall]) -> list[Predictions]:
        snapshot = release.snapshot
        asking = [call.asked_by for call in calls]
        states, degraded = await self._service.states_of(release, asking)
        batch = assemble(asking, states, snapshot.items, snapshot.manifest.shapes.window, release.clock())
        rows = [[snapshot.items.row_of(item_id) for item_id in call.item_ids] for call in calls]
        asked = pad_rows([np.array([row for row in of_call if row], dtype=np.int64) for of_call in rows])
        ranker = snapshot.ranker
        if ranker is None:  # refused on the way in
            raise InvalidRequest(f"bundle {release.version} predicts nothing")
        found = ranker.predict(batch, retrieve(snapshot, batch, self._depth), asked)
        self._metrics.observe_batch(len(calls))
        answers = []
        for call, of_call, probabilities, missing in zip(calls, rows, found, degraded, strict=True):
            values = iter(np.round(probabilities, 6).tolist())
            items = [
                Prediction(item_id, next(values) if row != PADDING_ROW else None)
                for item_id, row in zip(call.item_ids, of_call, strict=True)
            ]
            answers.append(Predictions(release.version, ranker.spec.behaviours, items, missing))
        return answers
