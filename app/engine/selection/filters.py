"""Filters: conditions on the columns of a catalogue, and trees of conditions."""

import hashlib
from dataclasses import dataclass
from typing import Any, Final

Value = str | float | bool
_KEY_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison with a value; `in` has several, of which one has to be equal, and `exists` has true or false."""

    operator: str  # eq, in, lt, lte, gt, gte, exists
    value: Value | tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Condition:
    """A value of the column passes every comparison; where an item has several values, one of them has to pass all."""

    column: str  # its name in the catalogue
    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True, slots=True)
class Every:
    """All parts hold; always true without parts."""

    parts: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Some:
    """At least one part holds; never true without parts."""

    parts: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Without:
    """The part does not hold, which includes items without a value."""

    part: "Filter"


Filter = Condition | Every | Some | Without


def key_of(condition: Filter) -> bytes:
    """A digest of a filter, 16 bytes; equal filters, and in all likelihood no others, have the same.

    What is kept by it holds on to nothing of the filter: trees of a thousand objects, kept by the thousand, are what a
    full collection walks through while everybody waits.
    """
    text = repr(_nested(condition)).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=_KEY_BYTES).digest()


def _nested(condition: Filter) -> tuple[Any, ...]:
    """A filter as tuples, which are written fast."""
    match condition:
        case Condition(column, comparisons):
            return (column, [(comparison.operator, comparison.value) for comparison in comparisons])
        case Every(parts):
            return ("all", 0, [_nested(part) for part in parts])
        case Some(parts):
            return ("any", 0, [_nested(part) for part in parts])
        case Without(part):
            return ("not", 0, _nested(part))
