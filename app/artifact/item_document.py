"""An item as the catalogue has it at one moment: one form for a row of a bundle, a live change, and an export."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

TEXT_FIELDS: Final = ("title", "brand", "category", "description")
"""The fields whose words an item is found by, beside its attributes."""


@dataclass(frozen=True, slots=True)
class ItemDocument:
    """All that is known of an item; None, or nothing, is missing. Texts are in Unicode's form NFC."""

    title: str | None = None
    category: str | None = None  # levels with ` > ` between; several paths with a line break between
    brand: str | None = None
    price: float | None = None
    currency: str | None = None
    description: str | None = None
    in_stock: bool | None = None
    added: float | None = None  # unix seconds
    attributes: tuple[str, ...] = ()  # `name=value`, as the item table of a split has them
    display: Mapping[str, str] = field(default_factory=dict)  # name -> value in JSON: answered as they are
    further: Mapping[str, str] = field(default_factory=dict)  # of columns that no bundle knows yet, in JSON
    hidden: bool = False  # known, and answered nowhere

    def says_the_same_as(self, other: "ItemDocument") -> bool:
        """Whether both have the same words, so that they are found by the same queries."""
        same_texts = all(getattr(self, name) == getattr(other, name) for name in TEXT_FIELDS)
        return same_texts and self.attributes == other.attributes

    def stands_where(self, other: "ItemDocument") -> bool:
        """Whether the network places both alike: by their words, and by what they lack."""
        return self.says_the_same_as(other) and (self.price is None) == (other.price is None)

    def texts(self) -> Iterator[str]:
        """Each text that it has, and each attribute in words."""
        for name in TEXT_FIELDS:
            if text := getattr(self, name):
                yield text
        yield from filter(None, map(attribute_text, self.attributes))


def attribute_text(pair: str) -> str:
    """What an attribute, `name=value`, says in words: its value, or its name where the value is yes or no."""
    name, _, value = pair.partition("=")
    if value == "true":
        return name.replace("_", " ")
    return "" if value == "false" else value.replace("\\n", " ")  # some feeds write line breaks out
