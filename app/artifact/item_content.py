"""What the item tower reads of an item besides its id and its events: one text, and the names of its attributes.

The job builds its graph by these functions and the service places items by them, so that both read an item alike.
"""

from collections.abc import Iterator
from typing import Final

from app.artifact.filter_columns import LEVELS, PATHS
from app.artifact.item_document import TEXT_FIELDS, ItemDocument

MISSABLE: Final = ("title", "category", "brand", "price")
"""Fields whose absence is an attribute of its own, where other items have them."""
_DEEPEST: Final = 5  # levels of a category that are attributes


def joined_text(*texts: str | None) -> str:
    """The fields of `TEXT_FIELDS` as one text, in that order; None is empty."""
    return " ".join(text or "" for text in texts)


def document_text(document: ItemDocument) -> str:
    """The text that an item is read by."""
    return joined_text(*(getattr(document, name) for name in TEXT_FIELDS))


def brand_attribute(brand: str) -> str:
    """The attribute that a brand is."""
    return f"brand={brand}"


def category_attributes(category: str) -> list[str]:
    """The attributes that a category is, with those above it; each path of several, down to the fifth level."""
    names = []
    for path in category.split(PATHS):
        levels = [level.strip() for level in path.split(LEVELS.strip())]
        names += [f"category={LEVELS.join(levels[: depth + 1])}" for depth in range(min(len(levels), _DEEPEST))]
    return list(dict.fromkeys(names))


def missing_attribute(field: str) -> str:
    """The attribute of an item that lacks a field."""
    return f"{field}=?"


def document_attributes(document: ItemDocument) -> list[str]:
    """The attributes that an item has, each once: the shop's own, brand, category and those above it, what it lacks.

    Those that a catalogue does not know as attributes are among them.
    """
    return list(dict.fromkeys(_attributes_of(document)))


def _attributes_of(document: ItemDocument) -> Iterator[str]:
    yield from document.attributes
    if document.brand is not None:
        yield brand_attribute(document.brand)
    if document.category is not None:
        yield from category_attributes(document.category)
    yield from (missing_attribute(name) for name in MISSABLE if getattr(document, name) is None)
