"""The fields of a live change as they are stored: JSON of what is said of an item, whole or over what is known of it.

    {"title": "Trail shoe", "category": "Shoes > Trail", "price": 89.0, "attributes": {"color": ["red"]},
     "display": {"image": "\\"/p3.jpg\\""}, "hidden": false}

In a patch `null` clears a plain field, an attribute or a column for display; what is not named stays.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import orjson

from app.artifact.item_document import ItemDocument

PLAIN_FIELDS: Final = (
    "title",
    "category",
    "brand",
    "price",
    "currency",
    "description",
    "in_stock",
    "added",
    "hidden",
)
"""The fields that hold one value."""
NAMED_FIELDS: Final = ("attributes", "display", "further")
"""The fields that hold values by name."""


def write_fields(fields: Mapping[str, Any]) -> bytes:
    """The JSON that is stored."""
    return orjson.dumps(fields)


def read_fields(body: bytes) -> dict[str, Any]:
    """The inverse of `write_fields`.

    Raises:
        ValueError: these are no fields of an item.
    """
    fields = orjson.loads(body)
    if not isinstance(fields, dict) or not fields.keys() <= {*PLAIN_FIELDS, *NAMED_FIELDS}:
        raise ValueError("expected the fields of an item")
    for name in NAMED_FIELDS:
        if not isinstance(fields.get(name, {}), dict):
            raise ValueError(f"{name}: expected values by name")
    document_of(fields)
    return fields


def merged(known: Mapping[str, Any], patch: Mapping[str, Any], *, is_whole: bool) -> dict[str, Any]:
    """The fields that say both, one after the other.

    Args:
        known: said before.
        patch: said over it.
        is_whole: whether `known` is all that there is, so that nothing has to say any more that a field is cleared.
    """
    if is_whole:
        return fields_of(document_of(patch, document_of(known)))
    named = {name: known.get(name, {}) | patch[name] for name in NAMED_FIELDS if name in patch}
    return dict(known) | {name: patch[name] for name in PLAIN_FIELDS if name in patch} | named


def document_of(fields: Mapping[str, Any], base: ItemDocument | None = None) -> ItemDocument:
    """The item that is said.

    Args:
        fields: all of it, or what is said over `base`.
        base: what is known of the item besides; None for an item of which `fields` say all.

    Raises:
        ValueError: a field has a value of another type.
    """
    document = base or ItemDocument()
    plain = {name: fields[name] for name in PLAIN_FIELDS if name in fields}
    for name, value in plain.items():
        if value is not None and not isinstance(value, _TYPES[name]):
            raise ValueError(f"{name}: expected {_TYPES[name]}, got {type(value).__name__}")
    if "hidden" in plain:
        plain["hidden"] = bool(plain["hidden"])
    for name in ("price", "added"):
        if plain.get(name) is not None:
            plain[name] = float(plain[name])
    if "attributes" in fields:
        plain["attributes"] = _attributes(fields["attributes"], document.attributes)
    for name in ("display", "further"):
        if name in fields:
            kept = dict(getattr(document, name)) | fields[name]
            plain[name] = {key: value for key, value in kept.items() if value is not None}
    return replace(document, **plain)


def fields_of(document: ItemDocument) -> dict[str, Any]:
    """The inverse of `document_of`, of a whole item."""
    fields: dict[str, Any] = {name: getattr(document, name) for name in PLAIN_FIELDS}
    attributes: dict[str, list[str]] = {}
    for pair in document.attributes:
        name, _, value = pair.partition("=")
        attributes.setdefault(name, []).append(value)
    fields |= {"attributes": attributes, "display": dict(document.display), "further": dict(document.further)}
    if not document.hidden:
        del fields["hidden"]
    return {name: value for name, value in fields.items() if value is not None and value != {}}


_TEXT: Final = (str,)
_NUMBER: Final = (int, float)
_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "title": _TEXT,
    "category": _TEXT,
    "brand": _TEXT,
    "price": _NUMBER,
    "currency": _TEXT,
    "description": _TEXT,
    "in_stock": (bool,),
    "added": _NUMBER,
    "hidden": (bool,),
}


def _attributes(said: Mapping[str, Sequence[str] | None], known: Sequence[str]) -> tuple[str, ...]:
    """All attributes as pairs: those that nothing is said of as they are, then the others."""
    kept = [pair for pair in known if pair.partition("=")[0] not in said]
    return (*kept, *(f"{name}={value}" for name, values in said.items() for value in values or ()))
