"""Filters: conditions on the columns of a catalogue, and trees of conditions."""

from dataclasses import dataclass

Value = str | float | bool


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
"""Hashable, so that masks are cached by it."""
