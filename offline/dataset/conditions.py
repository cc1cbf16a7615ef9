"""Conditions on rows: `status != "cancelled" and quantity > 0`, parsed, and as an expression over columns.

    condition  = all { "or" all }
    all        = one { "and" one }
    one        = "not" one | "(" condition ")" | column comparison
    comparison = ( "=" | "!=" | "<" | "<=" | ">" | ">=" ) value
               | [ "not" ] "in" "[" value { "," value } "]"
               | [ "not" ] ( "starts with" | "contains" ) text
               | "is" [ "not" ] "missing"
    value      = text | number | "true" | "false"

A column is a word, or anything in backquotes; a text stands in quotes of either kind, with a backslash before a quote.
A text is compared with the text of a value, a number with its number. A missing value is equal to nothing, so that `!=`
and `not` hold for it, and all else does not.
"""

import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, NoReturn

import polars as pl

Value = str | float | bool
How = Literal["=", "<", "<=", ">", ">=", "missing", "starts with", "contains"]

_TOKEN: Final = re.compile(
    r"""\s*(?:
    `(?P<name>[^`]+)`
    | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<number>[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?(?![\w.]))
    | (?P<word>[^\W\d]\w*(?:\.\w+)*)
    | (?P<sign>!=|<>|==|<=|>=|[=<>()\[\],])
    )""",
    re.VERBOSE,
)
_YES: Final = ("true", "t", "yes", "y", "1")
_NO: Final = ("false", "f", "no", "n", "0")
_ORDERS: Final = ("<", "<=", ">", ">=")
_OPERATORS: Final = {"=": operator.eq, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_SAME: Final = {"==": "=", "<>": "!="}


class ConditionError(ValueError):
    """A text that is no condition: what stands there in place of what, and what to do."""

    def __init__(self, expected: str, got: str, advice: str) -> None:
        super().__init__(f"expected {expected}, got {got}: {advice}")
        self.expected = expected
        self.got = got
        self.advice = advice


@dataclass(frozen=True)
class Comparison:
    """A column against values, of which one has to fit."""

    column: str
    how: How
    values: tuple[Value, ...] = ()


@dataclass(frozen=True)
class Negation:
    """What holds where a condition does not."""

    of: "Condition"


@dataclass(frozen=True)
class Combination:
    """Conditions of which all or some have to hold."""

    how: Literal["and", "or"]
    parts: tuple["Condition", ...]


Condition = Comparison | Negation | Combination


def parse_condition(text: str) -> Condition:
    """The condition that `text` says.

    Raises:
        ConditionError: it says none.
    """
    return _Parser(text).whole()


def comparisons_of(condition: Condition) -> Iterator[Comparison]:
    """All comparisons in a condition, in their order."""
    match condition:
        case Comparison():
            yield condition
        case Negation(of):
            yield from comparisons_of(of)
        case Combination(_, parts):
            for part in parts:
                yield from comparisons_of(part)


def columns_of(condition: Condition) -> list[str]:
    """The columns that a condition is about, each once."""
    return list(dict.fromkeys(comparison.column for comparison in comparisons_of(condition)))


def holds(condition: Condition, text: Callable[[str], pl.Expr], number: Callable[[str], pl.Expr]) -> pl.Expr:
    """Whether `condition` holds for each row, never null.

    `text` and `number` read a column; what they read is null where the value is missing.
    """
    match condition:
        case Comparison():
            return _holds(condition, text, number)
        case Negation(of):
            return ~holds(of, text, number)
        case Combination("and", parts):
            return pl.all_horizontal(holds(part, text, number) for part in parts)
        case Combination(_, parts):
            return pl.any_horizontal(holds(part, text, number) for part in parts)


def _holds(comparison: Comparison, text: Callable[[str], pl.Expr], number: Callable[[str], pl.Expr]) -> pl.Expr:
    column, how, values = comparison.column, comparison.how, comparison.values
    if how == "missing":
        return text(column).is_null()
    hits = [_fits(text(column), number(column), how, value) for value in values]
    return pl.any_horizontal(hit.fill_null(value=False) for hit in hits)


def _fits(text: pl.Expr, number: pl.Expr, how: How, value: Value) -> pl.Expr:
    if isinstance(value, bool):
        return text.str.to_lowercase().is_in(_YES if value else _NO)
    if how in ("starts with", "contains"):
        return text.str.starts_with(str(value)) if how == "starts with" else text.str.contains(str(value), literal=True)
    column = text if isinstance(value, str) else number
    hit: pl.Expr = _OPERATORS[how](column, value)
    return hit


@dataclass(frozen=True)
class _Token:
    kind: str  # name, text, number, word, sign, end
    value: str
    place: int

    @property
    def shown(self) -> str:
        return "nothing more" if self.kind == "end" else f"`{self.value}`" if self.kind == "name" else self.value


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(self._read())
        self._place = 0

    def whole(self) -> Condition:
        condition = self._any()
        if self._next.kind != "end":
            self._refuse("and, or, or the end", "join conditions by and, or")
        return condition

    def _read(self) -> Iterator[_Token]:
        place, end = 0, len(self._text.rstrip())
        while place < end:
            match = _TOKEN.match(self._text, place)
            if match is None or match.lastgroup is None:
                rest = self._text[place:].strip()
                place += len(self._text[place:]) - len(self._text[place:].lstrip())
                advice = 'close it by the same one, and write \\" within' if rest[:1] in "\"'`" else "remove it"
                got = f"{rest[:20]!r} at character {place + 1}"
                raise ConditionError("a condition", got, advice)
            yield _Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup))
            place = match.end()
        yield _Token("end", "", end)

    @property
    def _next(self) -> _Token:
        return self._tokens[self._place]

    def _take(self, *words: str) -> str | None:
        """The next word or sign where it is one of `words`."""
        token = self._next
        word = token.value.lower()
        word = _SAME.get(word, word)
        if token.kind not in ("word", "sign") or word not in words:
            return None
        self._place += 1
        return word

    def _refuse(self, expected: str, advice: str) -> NoReturn:
        before = self._text[: self._next.place].strip()
        raise ConditionError(expected, f"{self._next.shown} after {before!r}" if before else self._next.shown, advice)

    def _any(self) -> Condition:
        return self._combined("or", self._all)

    def _all(self) -> Condition:
        return self._combined("and", self._one)

    def _combined(self, how: Literal["and", "or"], part: Callable[[], Condition]) -> Condition:
        parts = [part()]
        while self._take(how):
            parts.append(part())
        return parts[0] if len(parts) == 1 else Combination(how, tuple(parts))

    def _one(self) -> Condition:
        if self._take("not"):
            return Negation(self._one())
        if self._take("("):
            condition = self._any()
            if not self._take(")"):
                self._refuse(")", "close it")
            return condition
        token = self._next
        if token.kind not in ("word", "name") or (token.kind == "word" and token.value.lower() in ("and", "or", "in")):
            self._refuse("the name of a column", "write a name as it is, or in backquotes where it has blanks or signs")
        self._place += 1
        return self._comparison(token.value)

    def _comparison(self, column: str) -> Condition:
        if self._take("is"):
            negative = self._take("not")
            if not self._take("missing", "null"):
                self._refuse("missing, or not missing", "compare values by =")
            return _negated(Comparison(column, "missing"), negative)
        if sign := self._take("=", "!="):
            return _negated(Comparison(column, "=", (self._value(),)), sign == "!=")
        for order in _ORDERS:
            if self._take(order):
                return Comparison(column, order, (self._ordered_value(),))
        negative = self._take("not")
        return _negated(self._word_comparison(column, negative), negative)

    def _word_comparison(self, column: str, negative: object) -> Comparison:
        if self._take("in"):
            return Comparison(column, "=", self._list())
        if self._take("starts"):
            if not self._take("with"):
                self._refuse("with", 'write starts with "..."')
            return Comparison(column, "starts with", (self._text_value(),))
        if self._take("contains"):
            return Comparison(column, "contains", (self._text_value(),))
        expected = "in, starts with or contains" if negative else "= != < <= > >=, in, is, starts with or contains"
        return self._refuse(expected, "compare the column with something")

    def _ordered_value(self) -> Value:
        if self._next.value.lower() in ("true", "false"):
            self._refuse("a number or a text in quotes", "compare true and false by =")
        return self._value()

    def _list(self) -> tuple[Value, ...]:
        if not self._take("["):
            self._refuse("[", 'write a list, such as ["a", "b"]')
        values = [self._value()]
        while self._take(","):
            if self._next.value == "]":
                break
            values.append(self._value())
        if not self._take("]"):
            self._refuse(", or ]", "close the list")
        return tuple(values)

    def _text_value(self) -> str:
        if self._next.kind != "text":
            self._refuse("a text in quotes", 'write it as "..."')
        return str(self._value())

    def _value(self) -> Value:
        token = self._next
        if word := self._take("true", "false"):
            return word == "true"
        if token.kind not in ("text", "number"):
            advice = "put a text in quotes" if token.kind in ("word", "name") else 'write one, such as 12 or "new"'
            self._refuse("a text in quotes, a number, true or false", advice)
        self._place += 1
        return float(token.value) if token.kind == "number" else re.sub(r"\\(.)", r"\1", token.value[1:-1])


def _negated(condition: Condition, negative: object) -> Condition:
    return Negation(condition) if negative else condition
