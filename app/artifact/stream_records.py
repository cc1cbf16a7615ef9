"""Entries of the streams that the service writes and `collect` reads: one field with a JSON document."""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from app.artifact.behaviours import BEHAVIOURS, Behaviour
from app.artifact.people import Person

FIELD: Final = b"j"  # the one field of a stream entry


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EventRecord(_Record):
    """An accepted event."""

    kind: Literal["event"] = "event"
    event_id: str
    type: Behaviour
    item_id: str
    time: float  # unix seconds
    user_id: str | None = None
    visitor_id: str | None = None
    session_id: str | None = None
    query: str | None = None
    request_id: str | None = None
    position: int | None = None
    quantity: float | None = None
    price: float | None = None
    currency: str | None = None

    @property
    def person(self) -> Person | None:
        """Whose event it is: the user's, else the visitor's; `None` where an entry names neither."""
        if self.user_id:
            return Person("user", self.user_id)
        return Person("visitor", self.visitor_id) if self.visitor_id else None

    @property
    def behaviour(self) -> int:
        """The code of the type."""
        return BEHAVIOURS[self.type]


class MergeRecord(_Record):
    """A visitor is identified as a user: the visitor's events become the user's."""

    kind: Literal["merge"] = "merge"
    visitor_id: str
    user_id: str
    time: float


class EraseRecord(_Record):
    """Everything about a user or visitor up to `time` is to be erased; the id itself is not written."""

    kind: Literal["erase"] = "erase"
    user_hash: str  # 16 hexadecimal digits: the hash of the user or of the visitor, which differ
    time: float


class ImpressionRecord(_Record):
    """The items that one answer showed, and what it was asked for.

    Records of before have no query and what follows it; of a later form the fields that this one knows are read.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)
    request_id: str
    user_hash: str | None  # 16 hexadecimal digits: of the user, else of the visitor
    model_version: str
    time: float
    item_ids: list[str]  # in the order shown
    first_position: int = 1
    query: str | None = None  # as it was typed
    corrected_query: str | None = None  # what was searched for instead
    total: int | None = None  # items that the answer could show; None where it is not known
    matched_by: str | None = None  # how the query found them, as in the answer


_EVENTS: Final = TypeAdapter[EventRecord | MergeRecord | EraseRecord](
    Annotated[EventRecord | MergeRecord | EraseRecord, Field(discriminator="kind")]
)


def read_event_record(entry: bytes) -> EventRecord | MergeRecord | EraseRecord:
    """Read an entry of the event stream.

    Raises:
        ValidationError: it is not an event, merge or erasure.
    """
    return _EVENTS.validate_json(entry)
