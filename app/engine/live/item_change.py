"""A change of one item."""

from dataclasses import dataclass

from app.artifact.item_document import ItemDocument


@dataclass(frozen=True, slots=True)
class ItemChange:
    """What an item is from now on."""

    item_id: str
    document: ItemDocument | None  # None where it is no more
    born: int = 0  # when anything was said of it for the first time: of two new items the older has the lower row
