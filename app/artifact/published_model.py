"""The record of a published version."""

from pydantic import BaseModel, ConfigDict


class Forced(BaseModel):
    """Who published a version that the figures refuse, and why."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    by: str
    reason: str
    refusal: str  # the reason of the refusal
    at: str  # ISO 8601, UTC


class Figures(BaseModel):
    """A metric of a version on held-out data. Two are comparable when all but the last three fields are equal."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    dataset: str
    part: str
    how: str  # of the cut
    mask: str
    metric: str
    value: float
    low: float  # of the 95 % interval
    high: float


class PublishedModel(BaseModel):
    """One version whose keys are in the store. What a later job wrote beside is passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    version: str
    dataset: str
    published_at: str  # ISO 8601, UTC
    users: int
    items: int
    dim: int
    cut: float | None
    forced: Forced | None = None
    figures: Figures | None = None
    catalogue_epoch: str | None = None  # of the live catalogue whose changes it has
    catalogue_sequence: int | None = None  # of the last of them; None where it has none
