"""`dataset.toml`: what a data set consists of, which column means what, and how it is scored."""

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from app.artifact.behaviours import Behaviour
from offline.dataset.missing import MISSING_WORDS
from offline.dataset.reading import find_files
from offline.dataset.toml_text import TomlText, read_toml
from offline.errors import DatasetError, Mistake

Task = Literal["next_item", "all_items", "search", "graded_search"]
Mask = Literal["seen", "purchased", "none"]

SPEC_FILE = "dataset.toml"
_ONE_COLUMN = "one_column"  # of pydantic's errors, the one for users and visitors in the same column
_SHOWN_TWICE = "shown_twice"  # a column of `display` that is read for something else
_TAKEN_NAME = "taken_name"  # a column of `display` of the name of a field that answers have
ANSWERED_COLUMNS = ("title", "category", "brand", "description", "price", "currency", "in_stock", "added", "attributes")
"""Fields of an item, whatever the columns are called that they come from."""


def _one_or_many(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _pair(value: object) -> object:
    """Two names of columns.

    Raises:
        PydanticCustomError: anything else.
    """
    if isinstance(value, list) and len(value) == 2 and all(isinstance(name, str) and name for name in value):
        return tuple(value)
    raise PydanticCustomError("pair", 'pairs of columns: [["Option1 Name", "Option1 Value"]]')


Column = Annotated[str, Field(min_length=1)]
Columns = Annotated[tuple[Column, ...], BeforeValidator(_one_or_many)]
Words = Annotated[tuple[str, ...], BeforeValidator(_one_or_many)]
Paths = Annotated[tuple[Column, ...], Field(min_length=1), BeforeValidator(_one_or_many)]
Masks = Annotated[tuple[Mask, ...], Field(min_length=1), BeforeValidator(_one_or_many)]
Pair = Annotated[tuple[str, str], BeforeValidator(_pair)]
Metric = Annotated[str, Field(pattern=r"^(mrr|(hr|recall|precision|ndcg|mrr|map)@[1-9][0-9]*)$")]
Metrics = Annotated[tuple[Metric, ...], Field(min_length=1), BeforeValidator(_one_or_many)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EventsSpec(_Table):
    """`[events]`: the files of what users did, and the column of each thing known about an event."""

    path: Paths
    user: Column = "user_id"
    visitor: Column | None = None  # of who is not logged in; without it every row is a user's
    item: Column = "item_id"
    type: Column = "event_type"
    time: Column = "timestamp"
    position: Column = "position"
    query: Column = "query"
    session: Column = "session_id"
    split: Column = "split"
    price: Column = "price"
    quantity: Column = "quantity"
    currency: Column = "currency"
    types: Mapping[str, Behaviour] = Field(default_factory=dict)
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
    def needs_user(self) -> bool:
        """Whether there has to be a column of users: without visitors, or where it is named."""
        return self.visitor is None or "user" in self.model_fields_set

    @model_validator(mode="after")
    def _has_two_columns(self) -> Self:
        if "user" in self.model_fields_set:
            _refuse_one_column(self.user, self.visitor)
        return self


class CurrencySpec(_Table):
    """The currency of prices: one `code` of all, or the `column` that names each item's."""

    code: str | None = None
    column: str | None = None


def _currency(value: object) -> object:
    """A code as a text, or a table of a column.

    Raises:
        PydanticCustomError: neither.
    """
    if isinstance(value, str) and re.fullmatch("[A-Za-z]{3}", value):
        return CurrencySpec(code=value.upper())
    if isinstance(value, dict) and list(value) == ["column"] and isinstance(value["column"], str) and value["column"]:
        return CurrencySpec(column=value["column"])
    raise PydanticCustomError("currency", 'a code such as "EUR", or {{column = "currency"}}')


class ItemsSpec(_Table):
    """`[items]`: the files of the catalogue, and the column of each thing known about an item."""

    path: Paths
    id: Column = "item_id"
    variant_of: Column | None = None  # rows of one value are variants of one item, whose id is the value
    title: Column = "title"
    category: Column = "category"
    brand: Column = "brand"
    price: Column = "price"
    text: Columns = ("description",)
    attributes: Columns = ("attributes_json",)
    options: tuple[Pair, ...] = ()  # pairs of columns: the name of an attribute, and its value
    display: Columns = ()  # returned as they are, and read by nothing else
    in_stock: Column = "in_stock"
    added: Column = "added"
    currency: Annotated[CurrencySpec, BeforeValidator(_currency)] | None = None  # of prices; None: as their signs say
    day_first: bool | None = None
    decimal: Literal[".", ","] | None = None
    missing: Words | None = None
    separators: Mapping[str, str] = Field(default_factory=dict)  # column -> what stands between its several values

    @model_validator(mode="after")
    def _displays_only(self) -> Self:
        for column in self.display:
            if column in self.attributes or column in self.text:
                role = "attributes" if column in self.attributes else "text"
                raise PydanticCustomError(_SHOWN_TWICE, "display only", {"column": column, "role": role})
            if column in ANSWERED_COLUMNS:
                raise PydanticCustomError(_TAKEN_NAME, "another name", {"column": column})
        return self


class UsersSpec(_Table):
    """`[users]`: the files of what is known about users besides their events."""

    path: Paths
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
        raise PydanticCustomError(_ONE_COLUMN, "two columns", {"column": visitor})


def missing_words(table: EventsSpec | ItemsSpec | UsersSpec) -> tuple[str, ...]:
    """The words that stand for no value in a table."""
    return MISSING_WORDS if table.missing is None else table.missing


class EvaluationSpec(_Table):
    """`[evaluation]`: how the set is scored. `target_event` None counts every test event."""

    task: Task = "next_item"
    target_event: Behaviour | None = None
    mask: Masks = ("seen",)
    metrics: Metrics = ("hr@10", "ndcg@10")
    queries: Column = "queries.parquet"
    judgments: Column = "judgments.parquet"


class _File(_Table):
    name: Column
    events: EventsSpec | None = None
    items: ItemsSpec | None = None
    users: UsersSpec | None = None
    evaluation: EvaluationSpec = EvaluationSpec()


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
        raise DatasetError(*(_mistake(toml, details) for details in error.errors())) from None
    evaluation = file.evaluation
    if evaluation.task == "graded_search" and "mask" not in evaluation.model_fields_set:
        evaluation = evaluation.model_copy(update={"mask": ("none",)})
    return DatasetSpec.model_construct(
        name=file.name,
        root=path.parent,
        events=file.events,
        items=file.items,
        users=file.users,
        evaluation=evaluation,
        toml=toml,
    )


def missing_tables(spec: DatasetSpec) -> list[Mistake]:
    """A mistake for each table that the task needs and `spec` does not have."""
    task = spec.evaluation.task
    needed = "items" if task == "graded_search" else "events"
    if getattr(spec, needed) is not None:
        return []
    expected = f"a table [{needed}], which the task {task} needs"
    return [Mistake(spec.toml.location(), expected, "none", f"add [{needed}] with a path")]


def _require_files(spec: DatasetSpec) -> None:
    for name, table in (("events", spec.events), ("items", spec.items), ("users", spec.users)):
        if table is not None:
            find_files(spec.root, table.path, spec.toml.location(name, "path"))
    if spec.evaluation.task == "graded_search":
        for key, path in (("queries", spec.evaluation.queries), ("judgments", spec.evaluation.judgments)):
            find_files(spec.root, (path,), spec.toml.location("evaluation", key))


_MODELS: dict[str, type[BaseModel]] = {
    "events": EventsSpec,
    "items": ItemsSpec,
    "users": UsersSpec,
    "evaluation": EvaluationSpec,
}


def _mistake(toml: TomlText, error: ErrorDetails) -> Mistake:
    """A finding of pydantic, with the line that it is about."""
    keys = tuple(part for part in error["loc"] if isinstance(part, str))
    location = toml.location(*keys)
    known = _MODELS.get(keys[0], _File).model_fields if len(keys) > 1 else _File.model_fields
    match error["type"]:
        case "extra_forbidden":
            near = difflib.get_close_matches(keys[-1], known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "remove or correct it"
            return Mistake(location, f"one of {', '.join(known)}", f"the unknown key {keys[-1]!r}", hint)
        case "missing":
            return Mistake(location, f"the key {keys[-1]!r}", "none", "add it")
        case "one_column":
            column = error.get("ctx", {}).get("column")
            expected = "another column for visitors than for users"
            advice = "name the one that the file has: a column holds ids of one kind"
            return Mistake(toml.location(*keys, "visitor"), expected, repr(column), advice)
        case "shown_twice":
            column, role = (error.get("ctx", {}).get(name) for name in ("column", "role"))
            expected = "columns that nothing else reads"
            advice = f"leave it out of display, where {role} returns it already, or out of {role}"
            return Mistake(toml.location(*keys, "display"), expected, f"{column!r}, which stands in {role} too", advice)
        case "taken_name":
            column = error.get("ctx", {}).get("column")
            expected = "columns whose names no other field of an answer has"
            advice = f"name it as the column of {column!r}, or rename it"
            return Mistake(toml.location(*keys, "display"), expected, repr(column), advice)
        case "string_pattern_mismatch":
            expected = "hr@k, recall@k, precision@k, ndcg@k, mrr@k, map@k or mrr"
        case "literal_error":
            expected = str(error.get("ctx", {}).get("expected", "a known word"))
        case "model_type" | "model_attributes_type":
            expected = f"a table [{keys[-1]}]"
        case _:
            expected = error["msg"].removeprefix("Input should be ")
    return Mistake(location, expected, repr(error["input"]), "correct the value")
