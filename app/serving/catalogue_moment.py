"""What is said of the items of a catalogue at one moment: nothing of it changes, so any thread may read it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from app.artifact.item_document import ItemDocument
from app.serving.release import Release
from app.stores.catalogue import CatalogueHead, CatalogueRecord


@dataclass(frozen=True, slots=True)
class CatalogueMoment:
    """A release, and what a store says of items beside its bundle, up to the head."""

    release: Release
    head: CatalogueHead
    records: Mapping[str, CatalogueRecord]  # by id, all of them or those behind a change
    bundled: Callable[[str], ItemDocument | None]  # an item as the bundle says it
    said: Callable[[CatalogueRecord], ItemDocument | None]  # the item that a record says; None for one that is no more

    def document(self, item_id: str) -> ItemDocument | None:
        """An item as it is; None for one that is no more, or never was."""
        record = self.records.get(item_id)
        return self.bundled(item_id) if record is None else self.said(record)
