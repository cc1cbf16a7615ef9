"""What a replica says of itself in Redis, so that `publish` can tell who has taken a version."""

from typing import Final

from pydantic import BaseModel, ConfigDict

LIVES_S: Final = 15
"""Seconds that a record outlives its replica."""


class ReplicaRecord(BaseModel):
    """One running service that follows the pointer. What a later service wrote beside is passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    version: str  # that it serves
    time: float  # unix seconds, by its own clock
    refused: dict[str, str] = {}  # version that the pointer named -> why it does not serve it
    layout: int = 1  # of the keys that it writes; a service whose layout had no number does not say
