"""`dataset.toml`: what a data set consists of, which column means what, and how it is scored."""

import re
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from app.artifact.behaviours import Behaviour
from offline.dataset.event_meaning import Constant, EventType, WordMeaning
from offline.dataset.missing import MISSING_WORDS
from offline.dataset.reading import find_files
from offline.dataset.source_spec import SourceSpec
from offline.dataset.spec_mistakes import mistake_of
from offline.dataset.spec_types import (
    Column,
    Columns,
    Masks,
    Metrics,
    Number,
    Numbers,
    Pair,
    Paths,
    SomeColumns,
    SpecTable,
    Words,
    refusal,
)
from offline.dataset.toml_text import TomlText, read_toml
from offline.errors import DatasetError, Mistake

Task = Literal["next_item", "all_items", "search", "graded_search", "own_words"]
GRADED_SEARCH: Final = "graded_search"
OWN_WORDS: Final = "own_words"
QUERY_TASKS: Final = (GRADED_SEARCH, OWN_WORDS)
"""Tasks that ask by queries and need no event; of the second, for a catalogue alone, these are its own words."""

SPEC_FILE = "dataset.toml"
ANSWERED_COLUMNS = ("title", "category", "brand", "description", "price", "currency", "in_stock", "added", "attributes")
"""Fields of an item, whatever the columns are called that they come from."""


class EventsSpec(SourceSpec):
    """`[events]`: the files of what users did, and the column of each thing known about an event."""

    user: Column = "user_id"
    visitor: Column | None = None  # of who is not logged in; without it every row is a user's
    item: Column = "item_id"
    type: EventType = "event_type"
    time: Column = "timestamp"
    position: SomeColumns = ("position",)  # most significant first
    query: Column = "query"
    session: Column = "session_id"
    split: Column = "split"
    price: Column = "price"
    quantity: Column = "quantity"
    currency: Column = "currency"
    rating: Column | None = None
    types: Mapping[str, WordMeaning] = Field(default_factory=dict)
    rating_from: Number | None = None  # rows rated lower are left out; None: the upper half of the column's scale
    rating_implicit: Numbers = ()  # ratings that say nothing: such rows are events
    skip_users: Columns = ()  # ids of users whose events are left out
    skip_visitors: Columns = ()  # ids of visitors whose events are left out
    day_first: bool | None = None  # in dates of figures; None: told from the column
    decimal: Literal[".", ","] | None = None  # before the fraction of numbers; None: told from the column
    missing: Words | None = None  # words that stand for no value; None: the usual ones
    separators: Mapping[str, str] = Field(default_factory=dict)  # column -> what stands between several ids of a cell

    @property
    def user_column(self) -> str | None:
        """The column of users; `None` where the default's is said to be that of visitors."""
        return None if self.user == self.visitor else self.user

    @property
    def type_column(self) -> str | None:
        """The column of types; `None` where every row is of one type."""
        return None if isinstance(self.type, Constant) else self.type

    @property
    def needs_user(self) -> bool:
        """Whether there has to be a column of users: without visitors, or where it is named."""
        return self.visitor is None or "user" in self.model_fields_set

    @model_validator(mode="after")
    def _has_two_columns(self) -> Self:
        if "user" in self.model_fields_set:
            _refuse_one_column(self.user, self.visitor)
        for key in ("rating_from", "rating_implicit"):
            if self.rating is None and key in self.model_fields_set:
                expected, advice = "rating, the column of ratings, beside it", "add it, or leave this key out"
                raise refusal(expected, "none", advice, key=key)
        return self


_SINGLE_VALUES: Final = ("title", "category", "brand", "price", "in_stock", "added")
_SEVERAL_VALUES: Final = ("text", "attributes", "codes", "display")


class CurrencySpec(SpecTable):
    """The currency of prices: one `code` of all, or the `column` that names each item's."""

    code: str | None = None
    column: str | None = None


def _currency(value: object) -> object:
    """A code as a text, or a table of a column.

    Raises:
        PydanticCustomError: neither.
    """
    if isinstance(value, dict) and list(value) == ["code"]:  # as a collected data set has it
        value = value["code"]
    if isinstance(value, str) and re.fullmatch("[A-Za-z]{3}", value):
        return CurrencySpec(code=value.upper())
    if isinstance(value, dict) and list(value) == ["column"] and isinstance(value["column"], str) and value["column"]:
        return CurrencySpec(column=value["column"])
    raise PydanticCustomError("currency", 'a code such as "EUR", or {{column = "currency"}}')


class ItemsSpec(SourceSpec):
    """`[items]`: the files of the catalogue, and the column of each thing known about an item."""

    id: Column = "item_id"
    variant_of: Column | None = None  # rows of one value are variants of one item, whose id is the value
    title: Column = "title"
    category: Column = "category"
    brand: Column = "brand"
    price: Column = "price"
    text: Columns = ("description",)
    attributes: Columns = ("attributes_json",)
    codes: Columns = ()  # attributes by whose whole value an item is found: SKU, EAN
    options: tuple[Pair, ...] = ()  # pairs of columns: the name of an attribute, and its value
    display: Columns = ()  # returned as they are, and read by nothing else
    in_stock: Column = "in_stock"
    added: Column = "added"
    currency: Annotated[CurrencySpec, BeforeValidator(_currency)] | None = None  # of prices; None: as their signs say
    day_first: bool | None = None
    decimal: Literal[".", ","] | None = None
    missing: Words | None = None
    separators: Mapping[str, str] = Field(default_factory=dict)  # column -> what stands between its several values

    @property
    def filter_columns(self) -> tuple[str, ...]:
        """The columns that the file names, as filters name them: attributes with `attributes.` before their names."""
        named = self.model_fields_set
        roles = {"title": "title", "category": "category", "brand": "brand", "price": "price", "text": "description"}
        roles |= {"in_stock": "in_stock", "added": "added"}
        attributes = self.attributes if "attributes" in named else ()
        return (
            *(name for role, name in roles.items() if role in named),
            *(f"attributes.{column}" for column in dict.fromkeys((*attributes, *self.codes))),
        )

    @property
    def value_columns(self) -> tuple[str, ...]:
        """The columns that the file names, but for those that say which item a row is of."""
        named = self.model_fields_set
        single = [getattr(self, role) for role in _SINGLE_VALUES if role in named]
        several = [column for role in _SEVERAL_VALUES if role in named for column in getattr(self, role)]
        own = [] if self.currency is None or self.currency.column is None else [self.currency.column]
        return tuple(dict.fromkeys([*single, *several, *own, *(column for pair in self.options for column in pair)]))

    def without(self, columns: Set[str]) -> Self:
        """The same without some of its `value_columns`."""
        kept: dict[str, Any] = {
            role: tuple(column for column in getattr(self, role) if column not in columns) for role in _SEVERAL_VALUES
        }
        kept["options"] = tuple(pair for pair in self.options if not columns & set(pair))
        if self.currency is not None and self.currency.column in columns:
            kept["currency"] = None
        copy = self.model_copy(update=kept)
        gone = {role for role in _SINGLE_VALUES if getattr(self, role) in columns}
        copy.__pydantic_fields_set__.difference_update(gone)  # so that nobody requires them
        return copy

    @model_validator(mode="after")
    def _displays_only(self) -> Self:
        for column in self.display:
            role = next((role for role in ("attributes", "text", "codes") if column in getattr(self, role)), None)
            if role is not None:
                advice = f"leave it out of display, where {role} returns it already, or out of {role}"
                expected, got = "columns that nothing else reads", f"{column!r}, which stands in {role} too"
                raise refusal(expected, got, advice, key="display")
            if column in ANSWERED_COLUMNS:
                advice = f"name it as the column of {column!r}, or rename it"
                expected = "columns whose names no other field of an answer has"
                raise refusal(expected, repr(column), advice, key="display")
        return self


class UsersSpec(SourceSpec):
    """`[users]`: the files of what is known about users besides their events."""

    id: Column = "user_id"
    visitor: Column | None = None  # as in `[events]`: a row with a user is the user's
    attributes: Columns = ("segment",)
    missing: Words | None = None
    separators: Mapping[str, str] = Field(default_factory=dict)

    @property
    def id_column(self) -> str | None:
        """The column of users; `None` where the default's is said to be that of visitors."""
        return None if self.id == self.visitor else self.id

    @property
    def needs_id(self) -> bool:
        """Whether there has to be a column of users: without visitors, or where it is named."""
        return self.visitor is None or "id" in self.model_fields_set

    @model_validator(mode="after")
    def _has_two_columns(self) -> Self:
        if "id" in self.model_fields_set:
            _refuse_one_column(self.id, self.visitor)
        return self


def _refuse_one_column(user: str, visitor: str | None) -> None:
    if user == visitor:
        advice = "name the one that the file has: a column holds ids of one kind"
        raise refusal("another column for visitors than for users", repr(visitor), advice, key="visitor")


def missing_words(table: EventsSpec | ItemsSpec | UsersSpec) -> tuple[str, ...]:
    """The words that stand for no value in a table."""
    return MISSING_WORDS if table.missing is None else table.missing


class EvaluationSpec(SpecTable):
    """`[evaluation]`: how the set is scored. `target_event` None counts every test event."""

    task: Task = "next_item"
    target_event: Behaviour | None = None
    mask: Masks = ("seen",)
    metrics: Metrics = ("hr@10", "ndcg@10")
    queries: Column = "queries.parquet"
    judgments: Column = "judgments.parquet"


class SearchTable(SpecTable):
    """`[search]`: files of the shop's synonyms and stop words; without it those of the usual names, if any."""

    synonyms: Paths | None = None
    stop_words: Paths | None = None


class TextSpec(SpecTable):
    """`[text]`: the folder of a large encoder, the teacher, and what it wants its texts to begin with."""

    teacher: Column | None = None
    query_prefix: str | None = None  # None: as the folder says
    document_prefix: str | None = None


class _File(SpecTable):
    name: Column
    events: EventsSpec | None = None
    items: ItemsSpec | None = None
    users: UsersSpec | None = None
    evaluation: EvaluationSpec = EvaluationSpec()
    search: SearchTable = SearchTable()
    text: TextSpec = TextSpec()


class DatasetSpec(_File):
    """A whole `dataset.toml`. Relative paths start at `root`; `toml` is the text, which later errors point into."""

    root: Path
    toml: TomlText


def load_spec(path: Path) -> DatasetSpec:
    """Read `path`, a `dataset.toml` or the folder that holds one, and check that its files are there.

    Raises:
        DatasetError: no such file, no TOML, an unknown key, a wrong value, or a file it names is
            missing. The message names the file, the line and the key.
    """
    spec = read_spec(path)
    if missing := missing_tables(spec):
        raise DatasetError(*missing)
    _require_files(spec)
    return spec


def read_spec(path: Path) -> DatasetSpec:
    """As `load_spec`, but neither the files nor the tables that the task needs are checked.

    Raises:
        DatasetError: no such file, no TOML, an unknown key or a wrong value.
    """
    path = path / SPEC_FILE if path.is_dir() else path
    toml, raw = read_toml(path)
    try:
        file = _File.model_validate(raw)
    except ValidationError as error:
        raise DatasetError(*(mistake_of(toml, details, _MODELS, _File) for details in error.errors())) from None
    evaluation = file.evaluation
    if "task" not in evaluation.model_fields_set and file.events is None and file.items is not None:
        evaluation = evaluation.model_copy(update={"task": OWN_WORDS})
    if evaluation.task in QUERY_TASKS and "mask" not in evaluation.model_fields_set:
        evaluation = evaluation.model_copy(update={"mask": ("none",)})
    return DatasetSpec.model_construct(
        name=file.name,
        root=path.parent,
        events=file.events,
        items=file.items,
        users=file.users,
        evaluation=evaluation,
        search=file.search,
        text=file.text,
        toml=toml,
    )


def missing_tables(spec: DatasetSpec) -> list[Mistake]:
    """A mistake for each table that the task needs and `spec` does not have, or that it has nothing to do with."""
    task = spec.evaluation.task
    if task == OWN_WORDS and spec.events is not None:
        place, expected = spec.toml.location("evaluation", "task"), "a task that asks about the events of [events]"
        return [Mistake(place, expected, repr(task), "leave the key out, or write next_item, all_items or search")]
    needed = "items" if task in QUERY_TASKS else "events"
    if getattr(spec, needed) is not None:
        return []
    expected = f"a table [{needed}], which the task {task} needs"
    advice = f"add [{needed}] with a path"
    if needed == "events" and spec.items is not None:
        advice += ", or leave the task out: a catalogue alone can be searched"
    return [Mistake(spec.toml.location(), expected, "none", advice)]


def path_location(spec: DatasetSpec, table: str, path: str) -> str:
    """The file, line and key of a path of `[table]`, for messages: one of a list stands on a line of its own, maybe."""
    return spec.toml.location(table, "path", line=spec.toml.line(table, "path", text=path))


def _require_files(spec: DatasetSpec) -> None:
    for name, table in (("events", spec.events), ("items", spec.items), ("users", spec.users)):
        if table is not None:
            for path in table.all_names:
                find_files(spec.root, (path,), path_location(spec, name, path))
    if spec.evaluation.task == "graded_search":
        for key, path in (("queries", spec.evaluation.queries), ("judgments", spec.evaluation.judgments)):
            find_files(spec.root, (path,), spec.toml.location("evaluation", key))


_MODELS: dict[str, type[BaseModel]] = {
    "events": EventsSpec,
    "items": ItemsSpec,
    "users": UsersSpec,
    "evaluation": EvaluationSpec,
    "search": SearchTable,
    "text": TextSpec,
}
