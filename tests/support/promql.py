"""What an expression of PromQL speaks of: as much of its grammar as the alerts and the dashboard use."""

import re
from dataclasses import dataclass

_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\((?P<labels>[^)]*)\)")
_RANGE = re.compile(r"\[[^\]]*\]")
_SELECTOR = re.compile(r"(?<![\w.])(?P<name>[a-zA-Z_:][\w:]*)\s*(?:\{(?P<matchers>[^}]*)\}|(?P<call>\())?")
_MATCHER = re.compile(r'(?P<label>\w+)\s*(?P<operator>=~|!~|!=|=)\s*"(?P<value>[^"]*)"')
_WORDS = frozenset(
    ("by", "without", "on", "ignoring", "group_left", "group_right", "and", "or", "unless", "bool", "offset")
)


@dataclass(frozen=True)
class Selector:
    """A metric, and what is asked of its labels."""

    name: str
    matchers: tuple[tuple[str, str, str], ...]  # label, operator, value


@dataclass(frozen=True)
class Spoken:
    """All of one expression."""

    selectors: list[Selector]
    grouping: set[str]  # labels that it groups or joins by


def spoken_of(expression: str) -> Spoken:
    """The metrics and labels that an expression names."""
    grouping = {
        label.strip()
        for found in _GROUPING.finditer(expression)
        for label in found["labels"].split(",")
        if label.strip()
    }
    bare = _RANGE.sub("", _GROUPING.sub(" ", expression))
    selectors = [
        Selector(
            found["name"],
            tuple(
                (each["label"], each["operator"], each["value"]) for each in _MATCHER.finditer(found["matchers"] or "")
            ),
        )
        for found in _SELECTOR.finditer(bare)
        if not found["call"] and found["name"] not in _WORDS
    ]
    return Spoken(selectors, grouping)
