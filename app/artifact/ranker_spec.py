"""`ranker.json`: which features the ranker reads, what it predicts, and how its probabilities are calibrated."""

from pydantic import BaseModel, ConfigDict


class Calibration(BaseModel):
    """A rising curve from a raw probability to a calibrated one; between its points it is straight."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    raw: list[float]  # ascending
    calibrated: list[float]  # ascending


class RankerSpec(BaseModel):
    """What goes with `rank.onnx`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    features: list[str]
    behaviours: list[str]  # those predicted, from the first to the last of the chain
    calibrations: list[Calibration]  # of each behaviour
    orders: bool  # whether its order beats that of retrieval on validation; else only `objective` asks for it
    metric: str  # what was compared
    retrieval_value: float
    ranked_value: float
    mean_log_price: float  # stands in for a missing price where revenue is wanted
