"""Filters: conditions on the columns of a catalogue, and trees of conditions."""

from dataclasses import dataclass

Value = str | float | bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison with a value, for `in` with several, of which one has to fit, for `exists` with yes or no."""

    operator: str  # eq, in, lt, lte, gt, gte, exists
    value: Value | tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Condition:
    """A value of the column passes every comparison; of an item with several values one value has to pass them all."""

    column: str  # as the catalogue writes it
    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True, slots=True)
class Every:
    """All parts hold; none given holds always."""

    parts: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Some:
    """At least one part holds; none given never holds."""

    parts: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Without:
    """The part does not hold; so it is for an item without a value, too."""

    part: "Filter"


Filter = Condition | Every | Some | Without
"""Hashable, so that masks are cached by it."""
