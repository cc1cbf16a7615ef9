"""What is written down about a published version."""

from pydantic import BaseModel, ConfigDict


class Forced(BaseModel):
    """Who published a version although its figures spoke against it, and why."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    by: str
    reason: str
    refusal: str  # what spoke against it
    at: str  # ISO 8601, UTC


class Figures(BaseModel):
    """What a version reached on held-out data, and on which; two are comparable when all but the last three agree."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    dataset: str
    part: str
    how: str  # of the cut
    mask: str
    metric: str
    value: float
    low: float  # of the 95 % interval
    high: float


class PublishedModel(BaseModel):
    """One version whose keys are in the store."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    version: str
    dataset: str
    published_at: str  # ISO 8601, UTC
    users: int
    items: int
    dim: int
    cut: float | None
    forced: Forced | None = None
    figures: Figures | None = None
