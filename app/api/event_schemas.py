"""What goes over the wire about events and users. Field names are the contract."""

from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.api.schemas import Id, Integer, Number, Time
from app.artifact.behaviours import Behaviour
from app.artifact.people import PersonKind

MAX_QUERY: Final = 512  # characters
_LARGEST: Final = 2**31 - 1  # what the job keeps of a position


class Event(BaseModel):
    """Something that a user or a visitor did with an item."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    type: Annotated[str, StringConstraints(min_length=1, max_length=64)] = Field(
        description="`view`, `cart` or `purchase`, what Google Retail, GA4, Shopify, Segment, Klaviyo, Algolia or "
        "Recombee call it, or the shop's own word for it, of `[events.types]` in its `dataset.toml`."
    )
    item_id: Id = Field(description="One that the catalogue lacks is stored too: it may come later.")
    user_id: Id | None = Field(default=None, description="Without it a `visitor_id` or a `session_id` is needed.")
    visitor_id: Id | None = Field(
        default=None,
        description="Of a device or a browser that is not logged in: never a user, whatever its id. An event with both "
        "is the user's.",
    )
    event_id: Id | None = Field(
        default=None, description="Idempotency key: a second event of the user with this id is a duplicate."
    )
    session_id: Id | None = Field(
        default=None, description="Of the visit; alone it stands for a visitor of whom nothing else is known."
    )
    query: Annotated[str, StringConstraints(max_length=MAX_QUERY)] | None = Field(
        default=None, description="What was searched for before."
    )
    request_id: Id | None = Field(default=None, description="Of the answer that showed the item.")
    position: Integer | None = Field(
        default=None, ge=1, le=_LARGEST, description="Of the item in that answer; 1 is the first."
    )
    quantity: Number | None = Field(default=None, gt=0, allow_inf_nan=False)
    price: Number | None = Field(default=None, ge=0, allow_inf_nan=False, description="Of one piece.")
    currency: Annotated[str, StringConstraints(pattern="^[A-Za-z]{3,8}$")] | None = Field(
        default=None, description="ISO 4217, such as EUR."
    )
    time: Time | None = Field(
        default=None, description="ISO 8601, or Unix time in seconds or milliseconds; now when left out."
    )


class RejectedEvent(BaseModel):
    """Why an event was not accepted."""

    index: int = Field(description="Its place in the list; 0 is the first.")
    code: Literal["invalid_event", "unknown_type", "no_user", "bad_time"]
    message: str


class EventsAnswer(BaseModel):
    """What became of the events: `accepted`, `duplicates` and `rejected` make up all of them."""

    accepted: int = Field(description="Stored; the user's next recommendations know them.")
    duplicates: int = Field(
        description="Left out, since the user has an event of that `event_id`, or was erased after it happened."
    )
    rejected: list[RejectedEvent]
    durable: bool = Field(description="Whether what is stored outlives a restart.")


class StoredEvent(BaseModel):
    """A recent event."""

    item_id: str | None = Field(description="Null for an item that the catalogue lacks.")
    item_hash: str = Field(description="16 hexadecimal digits: what is stored.")
    type: Behaviour
    time: datetime | None


class PersonParameters(BaseModel):
    """Whose id it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: PersonKind = "user"


class UserAnswer(BaseModel):
    """What is stored of a user or a visitor."""

    user_id: str = Field(description="The id that was asked for.")
    kind: PersonKind = Field(description="Whose id it is.")
    events: list[StoredEvent] = Field(description="The recent ones, newest last.")
    seen: int = Field(description="Items that the user had anything to do with.")
    purchased: int = Field(description="Items that the user purchased.")
    long_vector_versions: list[str] = Field(description="Versions that hold a vector of the user's older events.")


class Removed(BaseModel):
    """How much was removed."""

    events: int
    seen: int
    purchased: int
    long_vectors: int


class ErasureReceipt(BaseModel):
    """That a user or a visitor was forgotten."""

    user_id: str = Field(description="The id that was asked for.")
    kind: PersonKind = Field(description="Whose id it is.")
    user_hash: str = Field(description="16 hexadecimal digits: what is written down of them from now on.")
    erased_at: datetime
    removed: Removed
    durable: bool = Field(description="Whether the erasure itself outlives a restart of what holds it.")
    note: str = Field(description="What else goes, and when.")


class MergeRequest(BaseModel):
    """A visitor turned out to be a user."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    visitor_id: Id


class Merged(BaseModel):
    """How much the user did not have yet."""

    events: int
    seen: int
    purchased: int


class MergeAnswer(BaseModel):
    """What was moved from a visitor to a user."""

    user_id: str
    visitor_id: str
    merged: Merged
