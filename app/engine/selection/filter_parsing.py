"""From the JSON tree of a filter to its typed form, checked against the columns of a catalogue."""

import math
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from app.artifact.filter_columns import Kind
from app.engine.selection.column import OPERATORS
from app.engine.selection.filters import Comparison, Condition, Every, Filter, Some, Value, Without
from app.errors import InvalidRequest

MAX_DEPTH: Final = 16
MAX_CONDITIONS: Final = 256  # of one filter
MAX_NODES: Final = 1_024  # conditions, and every all, any and not around them
MAX_VALUES: Final = 10_000  # in all lists of `in` of a request
MAX_CONDITIONS_IN_ALL: Final = (
    512  # of a request, unless an operator wants more: half a dozen take as long as a plain one
)
MAX_TEXT: Final = 1_024  # characters of a value: masks are kept by their filter
_SHOWN: Final = 60  # characters of a wrong value
_LARGEST: Final = 1.7e308  # of a number
_FIELD: Final = "field"
_TREES: Final = ("all", "any", "not")
_WORDS: Final[dict[Kind, str]] = {"text": "text", "number": "a number", "boolean": "true or false"}
_EVERY_OPERATOR: Final = OPERATORS["number"]


class Comparable(Protocol):
    """What a condition is about: a column, or the ids of items."""

    @property
    def name(self) -> str:
        """As errors name it."""

    @property
    def path(self) -> str:
        """The name that no other one has."""

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of values that it is compared with: one, or any where it has no values of any kind."""


FindColumn = Callable[[str, str], Comparable]
"""Finds the column of a name; the second argument is the path that an `InvalidRequest` names."""


class FilterBudget:
    """What the filters of one request may hold together, and what those that were parsed hold.

    Args:
        most_conditions: of the request.
    """

    def __init__(self, most_conditions: int = MAX_CONDITIONS_IN_ALL) -> None:
        self.conditions = 0
        self.values = 0
        self._most_conditions = most_conditions

    def count_condition(self, path: str) -> None:
        """One condition more.

        Raises:
            InvalidRequest: it is one too many.
        """
        self.conditions += 1
        if self.conditions > self._most_conditions:
            raise _wrong(path, f"at most {self._most_conditions} conditions in all filters of a request", "more")

    def count_values(self, number: int, path: str) -> None:
        """Further values in lists.

        Raises:
            InvalidRequest: they are too many.
        """
        self.values += number
        if self.values > MAX_VALUES:
            raise _wrong(path, f"at most {MAX_VALUES} values in all lists of a request", "more")


def parse_filter(tree: Any, find: FindColumn, path: str = "filter", budget: FilterBudget | None = None) -> Filter:
    """The filter of a JSON document. Documents that differ only in order or repetition give equal filters.

    Args:
        tree: `{"all": [..]}`, `{"any": [..]}`, `{"not": {..}}` or `{"field": .., OPERATOR: ..}`.
        find: finds a column by its name.
        path: of the filter within the request.
        budget: of the request; of this filter alone by default.

    Raises:
        InvalidRequest: names the path within the request, what was expected and what it got.
    """
    return _Parser(find, budget or FilterBudget()).parse(tree, path, 1)


class _Parser:
    def __init__(self, find: FindColumn, budget: FilterBudget) -> None:
        self._find = find
        self._budget = budget
        self._nodes = 0
        self._conditions = 0

    def parse(self, tree: Any, path: str, depth: int) -> Filter:
        if depth > MAX_DEPTH:
            raise _wrong(path, f"at most {MAX_DEPTH} levels of all, any and not", "more")
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise _wrong(path, f"at most {MAX_NODES} conditions and all, any and not around them", "more")
        if not isinstance(tree, Mapping):
            raise _wrong(path, "an object with all, any, not or field", _shown(tree))
        if _FIELD in tree:
            return self._condition(tree, path)
        kinds = [kind for kind in _TREES if kind in tree]
        if len(kinds) != 1 or len(tree) != 1:
            raise _wrong(path, "an object with one of all, any and not, or with field", _keys(tree))
        kind, inner = kinds[0], tree[kinds[0]]
        path = f"{path}.{kind}"
        if kind == "not":
            return Without(self.parse(inner, path, depth + 1))
        if not isinstance(inner, list):
            raise _wrong(path, "a list of filters", _shown(inner))
        parts = {self.parse(part, f"{path}.{index}", depth + 1) for index, part in enumerate(inner)}
        ordered = tuple(sorted(parts, key=repr))
        return Every(ordered) if kind == "all" else Some(ordered)

    def _condition(self, tree: Mapping[str, Any], path: str) -> Condition:
        self._conditions += 1
        if self._conditions > MAX_CONDITIONS:
            raise _wrong(path, f"at most {MAX_CONDITIONS} conditions", "more")
        self._budget.count_condition(path)
        name = tree[_FIELD]
        if not isinstance(name, str):
            raise _wrong(f"{path}.{_FIELD}", "the name of a column", _shown(name))
        column = self._find(name, f"{path}.{_FIELD}")
        operators = [key for key in tree if key != _FIELD]
        for operator in operators:
            if operator not in _EVERY_OPERATOR:
                shown = operator[:_SHOWN]
                raise _wrong(f"{path}.{shown}", f"one of {', '.join(_EVERY_OPERATOR)}", repr(shown))
            if all(operator not in OPERATORS[kind] for kind in column.kinds):
                raise _wrong(
                    f"{path}.{operator}",
                    f"one of {_operators_of(column)}, as {column.name!r} holds {_kinds_of(column)}",
                    f"{operator!r}",
                )
        if not operators:
            raise _wrong(path, f"one of {_operators_of(column)} beside field", "none")
        comparisons = {
            self._comparison(column, operator, tree[operator], f"{path}.{operator}") for operator in operators
        }
        return Condition(column.path, tuple(sorted(comparisons, key=repr)))

    def _comparison(self, column: Comparable, operator: str, given: Any, path: str) -> Comparison:
        if operator == "exists":
            if not isinstance(given, bool):
                raise _wrong(path, "true or false", _shown(given))
            return Comparison(operator, given)
        if operator != "in":
            return Comparison(operator, _value(column, given, path))
        if not isinstance(given, list):
            raise _wrong(path, f"a list, of which each is {_kinds_of(column)}", _shown(given))
        self._budget.count_values(len(given), path)
        values = {_value(column, value, f"{path}.{index}") for index, value in enumerate(given)}
        return Comparison(operator, tuple(sorted(values, key=None if len(column.kinds) == 1 else repr)))


def _value(column: Comparable, given: Any, path: str) -> Value:
    """The value, checked to be of the column's kind; a text in Unicode's form NFC, as catalogues keep theirs."""
    match given:
        case bool() if "boolean" in column.kinds:
            return given
        case str() if "text" in column.kinds:
            if len(given) > MAX_TEXT:
                raise _wrong(path, f"a text of at most {MAX_TEXT} characters", str(len(given)))
            return given if given.isascii() else unicodedata.normalize("NFC", given)
        case int() | float() if "number" in column.kinds and not isinstance(given, bool):
            number = float(given) if abs(given) <= _LARGEST else math.inf
            if math.isfinite(number):
                return number + 0.0  # -0.0 becomes 0.0
    raise _wrong(path, f"{_kinds_of(column)}, as {column.name!r} holds", _shown(given))


def _operators_of(column: Comparable) -> str:
    return ", ".join(operator for operator in _EVERY_OPERATOR if any(operator in OPERATORS[k] for k in column.kinds))


def _kinds_of(column: Comparable) -> str:
    return " or ".join(_WORDS[kind] for kind in column.kinds)


def _wrong(path: str, expected: str, got: str) -> InvalidRequest:
    return InvalidRequest(f"{path}: expected {expected}, got {got}", path)


def _keys(tree: Mapping[str, Any]) -> str:
    return "an empty object" if not tree else f"one with {', '.join(repr(str(key)[:_SHOWN]) for key in list(tree)[:8])}"


def _shown(value: Any) -> str:
    """A wrong value in short, as JSON names it."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return f"the text {value[:_SHOWN]!r}"
        case int() | float():
            return f"the number {value!r}" if abs(value) < _LARGEST else "a number too large"
        case list():
            return "a list"
        case _:
            return "an object"
