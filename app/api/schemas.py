"""What goes over the wire: requests, answers and problem documents. Field names are the contract."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    StringConstraints,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from app.artifact.behaviours import Behaviour
from app.artifact.ids import MAX_ID, composed_id
from app.engine.reasons import Kind
from app.engine.text.hits import MatchedBy
from app.settings import MAX_K, MAX_LIST, MAX_QUERY

MAX_NAME: Final = 512
"""Characters of the name of a column or an attribute."""
MAX_FIELDS: Final = 100
"""Names in `fields`."""
MAX_FACETS: Final = 20
MAX_BOOSTS: Final = 20
MAX_PINS: Final = 50
MAX_TIMEOUT_MS: Final = 60_000


def _no_boolean(value: Any) -> Any:
    """Refuse true and false, which Python takes for 1 and 0."""
    if isinstance(value, bool):
        raise PydanticCustomError("number_type", "Input should be a number, not true or false")
    return value


def _no_number(value: Any) -> Any:
    """Refuse numbers where true or false is asked for."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise PydanticCustomError("bool_type", "Input should be true or false, not a number")
    return value


# Numbers and booleans written as text stay what they say: parameters of an address have no other form.
Integer = Annotated[int, BeforeValidator(_no_boolean)]
Number = Annotated[float, BeforeValidator(_no_boolean)]
Boolean = Annotated[bool, BeforeValidator(_no_number)]
Id = Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID), AfterValidator(composed_id)]
Time = Annotated[
    datetime,
    BeforeValidator(_no_boolean),
    WithJsonSchema({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "number"}]}, "validation"),
]
"""ISO 8601, or Unix time in seconds or milliseconds."""


class _Unannounced:
    """Leaves the bound of a list out of the OpenAPI document: what a service accepts is less, and a setting of its."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        described = handler(schema)
        described.pop("maxItems", None)
        return described


Ids = Annotated[list[Id], Field(max_length=MAX_LIST), _Unannounced()]
"""Ids whose number is a setting: past the largest setting not even the entries are looked at."""


def _distinct(names: list[str]) -> list[str]:
    return list(dict.fromkeys(names))


Name = Annotated[str, StringConstraints(max_length=MAX_NAME)]
"""Of a column or an attribute."""
FieldNames = Annotated[list[Name], Field(max_length=MAX_FIELDS), AfterValidator(_distinct)]
"""Columns and attributes to answer; a repeated one counts once."""


MAX_CURSOR: Final = 65_536
"""Letters of a cursor: more than the deepest list that can be set needs."""


class Context(BaseModel):
    """What the caller's page shows."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    item_ids: Ids = Field(
        default=[], description="Items of this page or basket, the newest last: they count as viewed just now."
    )


class RecentEvent(BaseModel):
    """One event of a history that the caller keeps itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    item_id: Id
    type: Behaviour = "view"
    time: Time | None = Field(default=None, description="ISO 8601, or Unix time in seconds or milliseconds.")


History = Annotated[list[RecentEvent], Field(max_length=MAX_LIST), _Unannounced()]
"""Events whose number is a setting, as that of `Ids`."""


class BoostRule(BaseModel):
    """Items to bring up, or to bury."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    filter: dict[str, Any] = Field(description="Which items, as in `filter`.")
    factor: Number = Field(gt=0, le=1000, description="How many times as likely they shall count; below 1 buries.")


class PinRule(BaseModel):
    """An item at a fixed place of the list."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    item_id: Id
    position: Integer = Field(ge=1, le=MAX_K, description="1 is the first place.")


class RecommendRequest(BaseModel):
    """Everything is optional. Without user, context and events: what is popular now."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"examples": [{"user_id": "u1", "context": {"item_ids": ["p9"]}, "k": 20, "explain": True}]},
    )
    user_id: Id | None = Field(default=None, description="A user that the shop knows.")
    visitor_id: Id | None = Field(
        default=None,
        description="A device or a browser that is not logged in: never a user, whatever its id. Looked up when there "
        "is no user, or nothing is known of them.",
    )
    session_id: Id | None = Field(
        default=None,
        description="Of a visit. It stands for a visitor of whom nothing else is known; the session of a user or a "
        "visitor is what they did last.",
    )
    query: str | None = Field(
        default=None,
        max_length=MAX_QUERY,
        description="What is searched for. Alone it is a search, with a user or a visitor a personalised one.",
    )
    exact: Boolean = Field(
        default=False,
        description="Whether to search for what was typed, with nothing corrected: the way back from "
        "`corrected_query`.",
    )
    context: Context | None = None
    recent_events: History | None = Field(
        default=None,
        description="Replaces the stored history. Oldest first; sorted by time when all events have one.",
    )
    k: Integer = Field(default=20, ge=1, le=MAX_K, description="How many items, at most.")
    cursor: str | None = Field(
        default=None,
        max_length=MAX_CURSOR,
        description="`next_cursor` of the page before: the list stays as it was for 30 minutes. Alone with `k` and "
        "`fields`, or with all else as it was.",
    )
    filter: dict[str, Any] | None = Field(
        default=None,
        description='What every answered item passes: `{"all": [..]}`, `{"any": [..]}`, `{"not": {..}}`, or a '
        'condition `{"field": .., OPERATOR: ..}` with one or several of `eq`, `in`, `lt`, `lte`, `gt`, `gte` and '
        "`exists`, all of which one value has to pass. A field is a catalogue column (title, category, brand, "
        "description, price, in_stock, added in Unix seconds) or an attribute, by its name or as `attributes.NAME`. A "
        "category passes for all above it. Texts are compared exactly, or without regard to case where no item has "
        "the very text. An item without a value passes no condition but `exists: false` and `not`.",
    )
    exclude_item_ids: Ids = Field(default=[], description="Items that must not be answered.")
    exclude: Literal["none", "purchased", "seen"] | None = Field(
        default=None,
        description="Items of the user's past that must not be answered: none, those purchased, or those seen "
        "(viewed, put into a cart or purchased), however long ago.",
    )
    boost: list[BoostRule] | None = Field(
        default=None,
        max_length=MAX_BOOSTS,
        description="Items to bring up or to bury: as if they were `factor` times as likely; several multiply.",
    )
    pin: list[PinRule] | None = Field(
        default=None,
        max_length=MAX_PINS,
        description="Items at fixed places, each once. One that is unknown, excluded or does not pass the filter is "
        "left out; one beyond the end of the list stands at its end.",
    )
    diversity: Number | None = Field(
        default=None,
        ge=0,
        le=1,
        description="How different the answered items shall be from each other, in steps of .05: 0 leaves the order "
        "as it is. More diversity never brings items that are more alike.",
    )
    objective: Literal[Behaviour, "revenue"] | None = Field(
        default=None,
        description="What the order shall bring more of: the likelier that behaviour (for revenue: times the price), "
        "the higher an item.",
    )
    facets: list[Name] | None = Field(
        default=None,
        max_length=MAX_FACETS,
        description="Columns and attributes of which values are counted, over all items that `total` counts: the 100 "
        "most frequent values, of a category every level, of numbers the range.",
    )
    sort: Literal["relevance", "price_asc", "price_desc", "newest"] | None = Field(
        default=None,
        description="Anything but relevance orders all items that pass, those without a value last; equal ones by "
        "relevance to the query, then by popularity.",
    )
    group_by: Name | None = Field(
        default=None,
        description="A column or attribute of texts: at most one item, the best, of each value. Items without one are "
        "groups of their own; `total` counts groups.",
    )
    fields: FieldNames | None = Field(
        default=None,
        description="Catalogue columns and attributes to answer with each item. Columns for display (images, "
        "addresses) are answered as the catalogue has them; `currency` is the code of the price's.",
    )
    explain: Boolean = Field(default=False, description="Whether to say what gave each item its score.")
    timeout_ms: Number | None = Field(
        default=None,
        gt=0,
        le=MAX_TIMEOUT_MS,
        description="Milliseconds after which the answer is what is popular, with `timeout` in `degraded`.",
    )


class SimilarRequest(BaseModel):
    """The query parameters of `GET /items/{id}/similar`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    k: Integer = Field(default=20, ge=1, le=MAX_K)
    fields: FieldNames | None = None


class NoParameters(BaseModel):
    """The query parameters of a call that has none."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class AnsweredReason(BaseModel):
    """What one piece of the request gave to an item's score: the score, less the score without that piece."""

    kind: Kind = Field(
        description="An item of the history that was `viewed`, `carted` or `purchased`; the words and meaning of the "
        "query, `query_match`; `popular`: what being more popular than its list gave, or all of the score where "
        "nothing is known of who asks; a `boost`; a `pin`, which gives a place and no score; and `base`, the rest, "
        "with what came of items that are answered nowhere."
    )
    item_id: str | None = Field(default=None, description="The item of the history.")
    terms: list[str] | None = Field(default=None, description="Of `query_match`: the words of the query that it has.")
    position: int | None = Field(default=None, description="Of `pin`: the place it was pinned to.")
    weight: float = Field(description="Signed. The weights of an item sum to its score, to all six decimals.")


class AnsweredItem(BaseModel):
    """One item of an answer."""

    item_id: str
    rank: int = Field(description="1 is the best.")
    score: float = Field(description="Comparable within one answer only.")
    fields: dict[str, Any] | None = Field(default=None, description="There when `fields` was given.")
    reasons: list[AnsweredReason] | None = Field(
        default=None, description="There when `explain` was given; the weightiest first, `base` last."
    )


class CountedValue(BaseModel):
    """How many items have a value."""

    value: str | bool
    count: int


class CountedRange(BaseModel):
    """How many items have a number, and from which to which."""

    least: float = Field(alias="from")
    largest: float = Field(alias="to")
    count: int


FacetValue = CountedValue | CountedRange


class PopularItem(BaseModel):
    """An item that stands beside an empty list."""

    item_id: str
    fields: dict[str, Any] | None = Field(default=None, description="There when `fields` was given.")


class QueryKindAnswer(BaseModel):
    """A kind of items that a query means."""

    kind: str = Field(description="A category, or words that its items have in their titles.")
    weight: float = Field(description="Of the kinds that are told, 1 in all.")


class RecommendAnswer(BaseModel):
    """At most `k` items, best first."""

    request_id: str
    model_version: str
    items: list[AnsweredItem]
    total: int = Field(
        description="How many items may be answered: all that pass the filter and are not excluded; of a search, those "
        "of them that it finds. With `group_by`, how many groups."
    )
    next_cursor: str | None
    facets: dict[str, list[FacetValue]] | None = Field(description="By column, there when `facets` was given.")
    corrected_query: str | None = Field(
        description="What was searched for, where the spelling was corrected; `exact` searches for what was typed."
    )
    matched_by: MatchedBy | None = Field(
        default=None,
        description="How a query finds items, before any filter: by their `words`, some by their meaning alone "
        "(`words_and_meaning`), all by their `meaning`, or `nothing`.",
    )
    dropped_words: list[str] = Field(
        description="Where no item has all words of the query: those that were left out. Said with the first page."
    )
    query_kinds: list[QueryKindAnswer] = Field(
        description="The kinds of items that a query means, the likeliest first, where the bundle has a text encoder; "
        "said with the first page."
    )
    similar_queries: list[str] | None = Field(
        description="Where a search has no items to answer: what shoppers searched for that is like it, at most 5; "
        "else null."
    )
    popular_items: list[PopularItem] | None = Field(
        description="Where a search has no items to answer: what is popular and passes the filter (or would, without "
        "it), for a page that is not to stay empty; else null."
    )
    degraded: list[str] = Field(
        description="What was missing: `user_state` (the store could not be asked, or may lack the newest events) or "
        "`timeout`; empty in a full answer."
    )
    unknown_item_ids: list[str] = Field(
        description="Items of the context that the catalogue lacks, and which therefore count for nothing; said with "
        "the first page of a list. An id of another form here (a variant's, say) is a slip in the integration."
    )


class ItemAnswer(BaseModel):
    """One item of the catalogue."""

    item_id: str
    fields: dict[str, Any]


class DemoFacet(BaseModel):
    """A column or an attribute that is worth narrowing a list by."""

    field: str
    kind: Literal["text", "number", "boolean"] = Field(description="What it holds.")


class DemoUsers(BaseModel):
    """What the storefront starts with."""

    model_version: str
    dataset: str
    users: list[str] = Field(description="A few ids of users with a history.")
    visitors: list[str] = Field(description="The same of visitors: to be asked for by `visitor_id`.")
    fields: list[str] = Field(description="Columns of the catalogue.")
    display: list[str] = Field(description="Those of them that are for display alone: nothing is filtered by them.")
    facets: list[DemoFacet] = Field(description="What a list may be narrowed by, in this order.")
    objectives: list[str] = Field(description="What the order can bring more of.")
    behaviours: list[str] = Field(description="What the log tells of items; empty where nobody has touched any.")


class Health(BaseModel):
    """The state of the process."""

    status: Literal["alive", "waiting", "ready", "draining"]
    model_version: str | None = None
    store: Literal["redis", "memory"] | None = Field(default=None, description="Where user states are kept.")
    store_available: bool | None = Field(default=None, description="Whether it takes reads and writes.")
    store_warnings: list[str] | None = Field(
        default=None, description="What is wrong with how it is kept, such as that it may drop events, and what to do."
    )
    refused: dict[str, str] = Field(
        default={}, description="Versions that were to be served and were refused, and why."
    )
    parts_off: dict[str, str] = Field(
        default={},
        description="Optional parts of the served bundle that are not used, since it lacks them or this service cannot "
        "read them: why, and which feature is off.",
    )
    reason: str | None = Field(default=None, description="What is waited for.")


class Model(BaseModel):
    """One published version."""

    version: str
    dataset: str
    published_at: str
    users: int
    items: int
    served: bool = Field(description="Whether this process answers from it.")
    loaded: bool = Field(description="Whether it is served, or kept in memory for a rollback.")
    current: bool = Field(description="Whether the pointer names it.")
    refused: str | None = Field(description="Why this process refused it, if it did.")
    forced: dict[str, str] | None = Field(description="Who published it against its figures, why and when.")


class ModelsAnswer(BaseModel):
    """All versions that may be served, oldest first."""

    models: list[Model]
    refused: dict[str, str] = Field(
        default={}, description="What the pointer named and is not served, whether listed or not, and why."
    )


class ServedModel(BaseModel):
    """What this process answers from now on."""

    model_version: str
    previous_version: str | None


class FieldProblem(BaseModel):
    """What is wrong with one field."""

    field: str = Field(description="Its path, such as `context.item_ids.0`; empty for the body as a whole.")
    message: str


class Problem(BaseModel):
    """RFC 9457 problem document."""

    type: str
    title: str
    status: int
    detail: str
    code: str = Field(description="Stable: programs may branch on it.")
    request_id: str
    errors: list[FieldProblem] = []
