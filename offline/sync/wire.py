"""Items and operations as they go over HTTP."""

from collections.abc import Mapping
from typing import Any

import orjson

from app.artifact.filter_columns import PATHS
from offline.sync.difference import Operation
from offline.sync.known_item import FIELDS, KnownItem


def item_of_wire(fields: Mapping[str, Any], *, is_hidden: bool) -> KnownItem:
    """An item of `GET /items`.

    Raises:
        ValueError: its fields are of other types.
    """
    plain = {name: fields[name] for name in FIELDS if fields.get(name) is not None}
    if isinstance(plain.get("category"), list):
        plain["category"] = PATHS.join(plain["category"])
    attributes = fields.get("attributes") or {}
    if not isinstance(attributes, dict):
        raise ValueError("expected attributes by name")
    others = {name: value for name, value in fields.items() if name not in (*FIELDS, "attributes", "hidden")}
    words = {name: list(map(str, values)) for name, values in attributes.items()}
    return KnownItem(plain, words, others, is_hidden)


def wire_of(operation: Operation) -> bytes:
    """An operation of `POST /items/batch`, on a line."""
    if operation.kind == "delete":
        return orjson.dumps({"delete": operation.item_id}) + b"\n"
    fields: dict[str, Any] = {"item_id": operation.item_id, **operation.fields, **operation.display}
    if (category := fields.get("category")) and PATHS in category:
        fields["category"] = category.split(PATHS)
    if operation.attributes:
        fields["attributes"] = {name: _one_or_all(values) for name, values in operation.attributes.items()}
    return orjson.dumps({operation.kind: fields}) + b"\n"


def _one_or_all(values: list[str] | None) -> str | list[str] | None:
    return values[0] if values is not None and len(values) == 1 else values
