"""Columns that were kept for a later bundle, once a bundle knows them: then they are attributes like any other."""

from dataclasses import replace
from typing import Any

import orjson

from app.artifact.filter_columns import FALSE_TEXT, TRUE_TEXT
from app.artifact.item_document import ItemDocument
from app.engine.selection.column import ATTRIBUTES
from app.engine.snapshot import Snapshot


def with_known_columns(document: ItemDocument, base: Snapshot) -> ItemDocument:
    """A document with those of its further columns that a bundle knows where they belong."""
    attributes, display, further = list(document.attributes), dict(document.display), dict(document.further)
    for name, text in document.further.items():
        if name in base.catalogue.display:
            display[name] = further.pop(name)
        elif base.filters.has(f"{ATTRIBUTES}{name}"):
            del further[name]
            attributes += (f"{name}={value}" for value in _texts_of(orjson.loads(text)))
    return replace(document, attributes=tuple(attributes), display=display, further=further)


def _texts_of(value: Any) -> list[str]:
    """The values of an attribute as texts; an object is none."""
    if isinstance(value, list):
        return [text for one in value for text in _texts_of(one)]
    if isinstance(value, bool):
        return [TRUE_TEXT if value else FALSE_TEXT]
    if isinstance(value, int | float):
        return [repr(int(value)) if value == int(value) else repr(value)]
    return [value] if isinstance(value, str) and value else []
