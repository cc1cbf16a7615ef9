"""The items of a bundle as documents."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from app.artifact import names
from app.artifact.columns import TextColumn
from app.artifact.display_columns import read_display
from app.artifact.filter_columns import read_filter_columns
from app.artifact.item_document import ItemDocument
from app.artifact.manifest import read_manifest, verify_files
from app.artifact.parts import DISPLAY, VARIANTS, usable_parts
from app.artifact.rank_tables import read_rank_tables
from app.artifact.variants import Variants, read_variants
from app.engine.catalogue import items_of, read_catalogue
from app.engine.selection.column import ATTRIBUTES
from app.engine.selection.documents import document_of
from app.engine.selection.filter_index import filter_index_of
from app.errors import BundleCorrupt

_NONE: Final = names.PADDING_ROW


class BundledItems:
    """The items that a bundle answers, by id.

    Args:
        folder: of the bundle itself.

    Raises:
        BundleError: it cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.manifest: Final = read_manifest(folder)
        verify_files(folder, self.manifest)
        parts = usable_parts(self.manifest.parts)
        try:
            ids = TextColumn.read(folder / names.ITEM_IDS)
            variants = read_variants(folder) if VARIANTS in parts else Variants.none()
            self._items = items_of(ids, self.manifest.shapes, read_rank_tables(folder), variants)
            display = read_display(folder) if DISPLAY in parts else {}
            self._catalogue = read_catalogue(folder, self.manifest.catalogue_columns, display)
            selectable = self._items.selectable[0]
            self._filters = filter_index_of(read_filter_columns(folder), self._catalogue, selectable, self._items)
        except (OSError, ValueError) as error:
            raise BundleCorrupt(f"{folder}: items cannot be read ({error}): export the bundle again") from error
        self.display: Final = frozenset(display)

    def has_attribute(self, name: str) -> bool:
        """Whether any of its items has an attribute of that name."""
        return self._filters.has(f"{ATTRIBUTES}{name}")

    def __iter__(self) -> Iterator[str]:
        """The ids, by row."""
        selectable = self._items.selectable[0]
        for row in range(1, self._items.last_row + 1):
            if selectable[row]:
                yield self._items.id_of(row)

    def find(self, item_id: str) -> ItemDocument | None:
        """What the bundle says of an item; None for one that it does not answer."""
        row = self._items.answerable_row_of(item_id)
        if row == _NONE or self._items.id_of(row) != item_id:
            return None
        return document_of(row, self._catalogue, self._filters)

    def documents(self) -> dict[str, ItemDocument]:
        """What the bundle says of each item, by id."""
        return {item_id: document for item_id in self if (document := self.find(item_id)) is not None}
