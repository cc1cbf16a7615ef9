"""What goes over the wire of `POST /predict`. Field names are the contract."""

from pydantic import BaseModel, ConfigDict, Field

from app.api.schemas import History, Id, Ids


class PredictRequest(BaseModel):
    """Whose behaviour, and with which items. Nothing known of the user is no error: the items' own figures remain."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"examples": [{"user_id": "u1", "item_ids": ["p3", "p9"]}]}
    )
    item_ids: Ids = Field(min_length=1, description="Items of the catalogue.")
    user_id: Id | None = Field(default=None, description="A user that the shop knows.")
    visitor_id: Id | None = Field(
        default=None,
        description="A device or a browser that is not logged in: never a user, whatever its id. Looked up when there "
        "is no user, or nothing is known of them.",
    )
    session_id: Id | None = Field(
        default=None, description="Of a visit: it stands for a visitor of whom nothing else is known."
    )
    recent_events: History | None = Field(
        default=None,
        description="Replaces the stored history. Oldest first; sorted by time when all events have one.",
    )


class PredictedItem(BaseModel):
    """Probabilities of one item, 0 to 1, rising from purchase to view."""

    item_id: str
    view: float | None = Field(default=None, description="There when the data has views.")
    cart: float | None = Field(default=None, description="There when the data has carts.")
    purchase: float | None = Field(default=None, description="There when the data has purchases.")


class PredictAnswer(BaseModel):
    """One entry for each named item that the catalogue has, in their order."""

    request_id: str
    model_version: str
    behaviours: list[str] = Field(description="What this bundle predicts, from the first step to the last.")
    calibrated: bool | None = Field(
        description="Whether probabilities may be taken at their word: of those said 20 %, about 20 % come. False "
        "where held-out users showed otherwise for at least one behaviour; null where the bundle does not say."
    )
    uncalibrated: list[str] = Field(
        description="Behaviours whose probabilities are not to be taken at their word; they still order items."
    )
    items: list[PredictedItem]
    unknown_item_ids: list[str] = Field(description="Named items that the catalogue lacks.")
    degraded: list[str] = Field(description="`user_state` when the store could not be asked; else empty.")
