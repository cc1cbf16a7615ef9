"""What goes over the wire about changes of items. Field names are the contract."""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.api.schemas import Boolean, Id, Integer

MAX_LISTED: Final = 1_000
"""Items of one page of `GET /items`."""
MOST_REJECTED: Final = 100
"""Operations of a batch whose rejection is named; further ones are counted."""


class NewColumns(BaseModel):
    """The query parameters of the calls that change items."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    new_columns: Literal["refuse", "keep"] = "refuse"


class ItemsRequest(BaseModel):
    """The query parameters of `GET /items`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    limit: Integer = Field(default=100, ge=1, le=MAX_LISTED)
    after: Id | None = None
    changed_since: Integer | None = Field(default=None, ge=0)


class ItemFields(BaseModel):
    """The fields of an item. Besides these an item has the catalogue's own attributes and columns by their names."""

    model_config = ConfigDict(extra="allow", frozen=True)
    title: str | None = None
    category: str | list[str] | None = Field(
        default=None,
        description="A text, a path such as `Shoes > Trail`, or a list of them, of which answers show the first.",
    )
    brand: str | None = None
    price: float | None = Field(default=None, ge=0)
    currency: str | None = Field(default=None, description="ISO 4217, such as EUR.", pattern="^([A-Za-z]{3})?$")
    description: str | None = None
    in_stock: bool | None = None
    added: str | float | None = Field(
        default=None, description="ISO 8601, or Unix time in seconds or milliseconds; now for a new item without it."
    )
    attributes: dict[str, Any] | None = Field(
        default=None, description="By name: a text, a number, true or false, or a list of them."
    )
    hidden: Boolean = Field(default=False, description="Known, and answered nowhere until it is false.")


class BatchOperation(BaseModel):
    """One operation of a batch: one of the three."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    put: dict[str, Any] | None = Field(default=None, description="An item with its `item_id`, whole.")
    patch: dict[str, Any] | None = Field(default=None, description="Some fields of an item, with its `item_id`.")
    delete: Id | None = Field(default=None, description="An id.")


class BatchRequest(BaseModel):
    """The body of `POST /items/batch`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    operations: list[BatchOperation] = Field(description="Done in their order, each whole or not at all.")


class RejectedOperation(BaseModel):
    """Why an operation was not done."""

    index: int = Field(description="Its place among the operations; 0 is the first. Lines without anything are none.")
    line: int | None = Field(
        default=None, description="The number of its line, 1 for the first; there where operations are lines."
    )
    code: Literal["invalid_item", "item_not_found"]
    message: str


class CatalogueAnswer(BaseModel):
    """What became of a change of items."""

    sequence: int = Field(description="Of the catalogue, behind the change.")
    applied: int = Field(description="Operations that were done.")
    rejected: list[RejectedOperation] = Field(description="Those that were not, at most a hundred of them.")
    rejected_count: int = Field(description="How many were not.")
    durable: bool = Field(description="Whether what is stored outlives a restart.")


class ListedItem(BaseModel):
    """One item as it is now."""

    item_id: str
    sequence: int | None = Field(description="Of its newest change; null for one that is as the bundle has it.")
    deleted: bool = Field(description="Whether it is no more; only where `changed_since` was given.")
    hidden: bool
    fields: Annotated[dict[str, Any] | None, Field(description="Null for an item that is no more.")]


class ItemsAnswer(BaseModel):
    """A part of the catalogue as it is now, by id."""

    items: list[ListedItem]
    sequence: int = Field(description="Of the catalogue: no change up to it is missing.")
    epoch: str = Field(
        description="The counting that `sequence` is of; another one begins where the store lost changes. Empty before "
        "the first change."
    )
    next_after: str | None = Field(description="What `after` is for the items behind these; null behind the last.")
