"""What an attribute, `name=value`, is to filters: its name, its value, and the kind that all values of a name share."""

import re
from collections.abc import Collection
from typing import Final

from app.artifact.filter_columns import FALSE_TEXT, TRUE_TEXT, Kind

FLAGS: Final = (FALSE_TEXT, TRUE_TEXT)
"""The values of a boolean column, in their order."""
_NUMBER: Final = re.compile(r"[+-]?((0|[1-9][0-9]*)(\.[0-9]+)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?", re.ASCII)
"""`007` is a code, not a number."""
_EXACT: Final = 2.0**53  # whole numbers from it on are codes that float64 would run together


def attribute_parts(pair: str) -> tuple[str, str] | None:
    """The name and the value of an attribute; None where it lacks one."""
    name, _, value = pair.partition("=")
    name, value = name.strip(), value.strip()
    return (name, value) if name and value else None


def number_of(text: str) -> float | None:
    """The number that a text is; None for any other text, and for codes that merely look like one."""
    if not _NUMBER.fullmatch(text):
        return None
    number = float(text) + 0.0  # -0.0 becomes 0.0
    return number if abs(number) < _EXACT else None


def kind_of(texts: Collection[str]) -> Kind:
    """The kind of an attribute with these values: of numbers where all of them are, of flags where all are."""
    if texts and all(text in FLAGS for text in texts):
        return "boolean"
    return "number" if texts and all(number_of(text) is not None for text in texts) else "text"
