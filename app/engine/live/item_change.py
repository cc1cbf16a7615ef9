"""A change of one item."""

from dataclasses import dataclass

from app.artifact.item_document import ItemDocument


@dataclass(frozen=True, slots=True)
class ItemChange:
    """What an item is from now on."""

    item_id: str
    document: ItemDocument | None  # None where it is no more
