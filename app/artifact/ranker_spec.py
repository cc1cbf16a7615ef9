"""`ranker.json`: the features that the ranker reads, the behaviours it predicts, and their calibration."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict


class Calibration(BaseModel):
    """A rising curve from raw to calibrated probabilities, linear between its points."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    raw: list[float]  # ascending
    calibrated: list[float]  # ascending


class CalibrationCheck(BaseModel):
    """How true the probabilities of a behaviour are on users that neither ranker nor curve was fitted to."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    cases: int  # pairs of a user and a candidate
    positives: int
    ece: float  # mean distance of what was said and what came
    max_error: float | None  # in the worst tenth of the scale with enough cases
    ratio: float | None  # what was said by what came, over all cases
    calibrated: bool


class RankerSpec(BaseModel):
    """The description of `rank.onnx`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    features: list[str]
    behaviours: list[str]  # those predicted, from the first to the last of the chain
    calibrations: list[Calibration]  # of each behaviour
    checks: list[CalibrationCheck] | None = None  # of each behaviour, on validation; None in bundles of before
    orders: (
        bool  # whether its order beats that of retrieval on validation; else it ranks only requests with an objective
    )
    metric: str  # that the two values are of
    retrieval_value: float
    ranked_value: float
    mean_log_price: float  # replaces a missing price where the objective is revenue

    def calibrated(self, metrics: Mapping[str, Any]) -> list[bool | None]:
        """Of each behaviour, whether its probabilities come true; None where nobody has looked.

        They have to wherever it was measured: on validation, and on test.

        Args:
            metrics: those of the manifest.
        """
        measured = metrics.get("behaviours") or {}
        calibrated: list[bool | None] = []
        for place, behaviour in enumerate(self.behaviours):
            said = [None if self.checks is None else self.checks[place].calibrated]
            said.append((measured.get(behaviour) or {}).get("calibrated"))
            known = [answer for answer in said if answer is not None]
            calibrated.append(all(known) if known else None)
        return calibrated
