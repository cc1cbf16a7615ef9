"""An item of the live catalogue, in the form that exports are compared with."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from app.artifact.filter_columns import LEVELS, PATHS, levels_of
from app.artifact.item_document import ItemDocument
from offline.ingest.attributes import attribute_words

FIELDS: Final = ("title", "category", "brand", "price", "currency", "description", "in_stock", "added")
"""The fields with one value; that an item is hidden no export says."""


@dataclass(frozen=True)
class KnownItem:
    """All that is known of an item."""

    fields: Mapping[str, Any]  # those of `FIELDS` that it has; a category is a text of paths
    attributes: Mapping[str, list[str]]  # by name
    others: Mapping[str, Any] = field(default_factory=dict)  # further columns by name
    is_hidden: bool = False

    @classmethod
    def of(cls, document: ItemDocument) -> "KnownItem":
        """What a document says."""
        return cls(
            fields={name: value for name in FIELDS if (value := getattr(document, name)) is not None},
            attributes=attributes_of(document),
            others={name: json.loads(text) for name, text in (*document.further.items(), *document.display.items())},
            is_hidden=document.hidden,
        )

    def words_of(self, name: str) -> list[str]:
        """The values of an attribute, or of a column of that name that no bundle knows as one yet."""
        return self.attributes.get(name) or attribute_words(self.others.get(name))


def attributes_of(document: ItemDocument) -> dict[str, list[str]]:
    """The attributes of a document by name."""
    attributes: dict[str, list[str]] = {}
    for pair in document.attributes:
        name, _, value = pair.partition("=")
        attributes.setdefault(name, []).append(value)
    return attributes


def paths_of(category: str | None) -> list[str]:
    """The paths of a category, the first one first, as `A > B`; without those that others of them pass through."""
    tidy = [levels[-1] for line in (category or "").split(PATHS) if (levels := levels_of(line))]
    deepest = {path.casefold() for path in tidy}
    inner = {path for path in deepest if any(other.startswith(path + LEVELS) for other in deepest)}
    return [path for place, path in enumerate(tidy) if not place or path.casefold() not in inner]
