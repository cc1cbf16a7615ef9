"""Filters: a condition on catalogue columns, and trees of conditions."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Condition:
    """One column against one value, or against several of which one must match."""

    field: str
    operator: str  # eq, in, lt, lte, gt, gte, exists
    value: str | float | bool | tuple[str | float | bool, ...]


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
    """The part does not hold."""

    part: "Filter"


Filter = Condition | Every | Some | Without
"""Hashable, so that masks are cached by it."""
