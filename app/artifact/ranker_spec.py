"""`ranker.json`: the features that the ranker reads, the behaviours it predicts, and their calibration."""

from pydantic import BaseModel, ConfigDict


class Calibration(BaseModel):
    """A rising curve from raw to calibrated probabilities, linear between its points."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    raw: list[float]  # ascending
    calibrated: list[float]  # ascending


class RankerSpec(BaseModel):
    """The description of `rank.onnx`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    features: list[str]
    behaviours: list[str]  # those predicted, from the first to the last of the chain
    calibrations: list[Calibration]  # of each behaviour
    orders: (
        bool  # whether its order beats that of retrieval on validation; else it ranks only requests with an objective
    )
    metric: str  # that the two values are of
    retrieval_value: float
    ranked_value: float
    mean_log_price: float  # replaces a missing price where the objective is revenue
