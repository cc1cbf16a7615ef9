"""What is written down about a published version."""

from pydantic import BaseModel, ConfigDict


class Forced(BaseModel):
    """Who published a version although its figures spoke against it, and why."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    by: str
    reason: str
    refusal: str  # what spoke against it
    at: str  # ISO 8601, UTC


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
