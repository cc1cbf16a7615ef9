"""One type a column for JSON rows: where values of a name are of several kinds, they become text."""

import json
from typing import Any

Shape = Any
"""None, a word for a kind of value, ("list", shape), ("object", {name: shape}), or TEXT: of several kinds."""
TEXT = "text"
_LARGEST = 2**63
_WORDS: dict[type, Shape] = {type(None): None, bool: "flag", int: "integer", float: "float"}


def shape_of(value: Any) -> Shape:
    """The shape of a JSON value."""
    match value:
        case list() | tuple() | set():
            shape: Shape = None
            for element in value:
                shape = merge(shape, shape_of(element))
            return ("list", shape)
        case dict():
            return ("object", {str(name): shape_of(inner) for name, inner in value.items()})
        case int() if not -_LARGEST <= value < _LARGEST:
            return "string"
        case _:
            return _WORDS.get(type(value), "string")


def merge(one: Shape, other: Shape) -> Shape:
    """The shape of what may be of either."""
    if one is None or one == other:
        return other
    if other is None:
        return one
    if {one, other} == {"integer", "float"} if isinstance(one, str) and isinstance(other, str) else False:
        return "float"
    if isinstance(one, tuple) and isinstance(other, tuple) and one[0] == other[0]:
        if one[0] == "list":
            return ("list", merge(one[1], other[1]))
        names = {**one[1], **other[1]}
        return ("object", {name: merge(one[1].get(name), other[1].get(name)) for name in names})
    return TEXT


def fit(value: Any, shape: Shape) -> Any:
    """`value`, with texts where `shape` has them."""
    if value is None:
        return None
    if shape == TEXT:
        return value if isinstance(value, str) else as_text(value)
    if shape == "string":
        return str(value)
    if isinstance(shape, tuple) and shape[0] == "list":
        return [fit(element, shape[1]) for element in value]
    if isinstance(shape, tuple):
        return {name: fit(inner, shape[1].get(name)) for name, inner in value.items()}
    return value


def as_text(value: Any) -> str:
    """`value` as JSON."""
    return json.dumps(value, ensure_ascii=False, default=str)
