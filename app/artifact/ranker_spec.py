"""`ranker.json`: the features that the ranker reads, the behaviours it predicts, and their calibration."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, FiniteFloat, model_validator

from app.artifact.behaviours import BEHAVIOURS


class Calibration(BaseModel):
    """A rising curve from raw to calibrated probabilities, linear between its points."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    raw: list[FiniteFloat]  # ascending
    calibrated: list[FiniteFloat]  # ascending

    @model_validator(mode="after")
    def _rises(self) -> "Calibration":
        if not self.raw or len(self.raw) != len(self.calibrated):
            raise ValueError(f"expected as many calibrated points as raw ones, got {len(self.calibrated)}")
        if self.raw != sorted(self.raw) or self.calibrated != sorted(self.calibrated):
            raise ValueError("expected rising points, got others")
        return self


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
    mean_log_price: FiniteFloat  # replaces a missing price where the objective is revenue

    @model_validator(mode="after")
    def _fits(self) -> "RankerSpec":
        known = [name for name in BEHAVIOURS if name in self.behaviours]
        if not known or self.behaviours != known:
            raise ValueError(f"expected behaviours of {', '.join(BEHAVIOURS)} in this order, got {self.behaviours}")
        counts = {len(self.calibrations), len(known if self.checks is None else self.checks)}
        if counts != {len(known)}:
            raise ValueError(f"expected a calibration and a check of each of {len(known)} behaviours, got {counts}")
        return self

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
