"""Changes of items on their way to the store: each is whole or not at all, and seen by the very next call."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import time
from typing import Any, Final

from app.artifact.item_document import ItemDocument
from app.artifact.item_fields import NAMED_FIELDS, document_of, fields_of, merged, read_fields, write_fields
from app.errors import StoreUnavailable
from app.serving.cooperative import ShieldedWrites
from app.serving.live_catalogue import LiveCatalogue
from app.stores.catalogue import CatalogueChange, CatalogueHead, CatalogueRecord, Kind

WRITTEN_AT_ONCE: Final = 500
"""Operations that go to the store together."""
_MOST_TRIES: Final = 20  # where others change the same item at the same moment


@dataclass(frozen=True, slots=True)
class Operation:
    """What is to become of one item."""

    item_id: str  # its own, never a variant's
    kind: Kind
    fields: Mapping[str, Any]  # as `app.artifact.item_fields`; a named field of a patch may be None: all of it


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of operations."""

    head: CatalogueHead  # that has them all
    unknown: list[int]  # places of the patches of items that there are not
    durable: bool


class CatalogueWriter:
    """Writes operations, and waits until this process serves what they say.

    Args:
        live: the catalogue of this process.
    """

    def __init__(self, live: LiveCatalogue) -> None:
        self._live = live
        self._writes = ShieldedWrites()

    async def write(self, operations: Sequence[Operation]) -> Applied:
        """Do operations in their order; what is begun is finished, whether the caller waits or not.

        Raises:
            StoreUnavailable: some were not written; all may be sent again.
        """
        return await self._writes.run(self._write(operations))

    async def _write(self, operations: Sequence[Operation]) -> Applied:
        unknown: list[int] = []
        head = self._live.head
        for start in range(0, len(operations), WRITTEN_AT_ONCE):
            part = operations[start : start + WRITTEN_AT_ONCE]
            head, unknown_of_part = await self._write_part(part)
            unknown += (start + place for place in unknown_of_part)
        await self._live.catch_up(head)
        return Applied(head, unknown, self._live.store.durable)

    async def _write_part(self, operations: Sequence[Operation]) -> tuple[CatalogueHead, list[int]]:
        """Write some operations; where somebody changed an item since it was read, it is read again."""
        head = await self._live.store.head()
        if any(operation.kind == "patch" for operation in operations):
            await self._live.catch_up(head)
        unknown: list[int] = []
        drafts = _Drafts(self._live)
        for place, operation in enumerate(operations):
            if not drafts.add(operation):
                unknown.append(place)
        changes = drafts.changes()
        for _ in range(_MOST_TRIES):
            if not changes:
                return head, unknown
            written = await self._live.store.write(changes)
            head = written.head
            refused = [change for change, record in zip(changes, written.records, strict=True) if record is None]
            if not refused:
                return head, unknown
            await self._live.catch_up(head)
            again = {change.item_id for change in refused}
            drafts = _Drafts(self._live)
            for operation in operations:
                if operation.item_id in again:
                    drafts.add(operation)
            changes = drafts.changes()
        raise StoreUnavailable("an item is changed by others all the time: send the change again")


@dataclass(slots=True)
class _Draft:
    kind: Kind
    fields: dict[str, Any]
    expected: int | None  # as in `CatalogueChange`


class _Drafts:
    """What the store is to say of items after some operations: one record an item.

    Args:
        live: what it says now.
    """

    def __init__(self, live: LiveCatalogue) -> None:
        self._live = live
        self._drafts: dict[str, _Draft] = {}

    def add(self, operation: Operation) -> bool:
        """Take one operation in; false for a patch of an item that there is not."""
        item_id = operation.item_id
        if operation.kind == "delete":
            self._drafts[item_id] = _Draft("delete", {}, None)
            return True
        if operation.kind == "put":
            fields = {"added": self._added(item_id), **operation.fields}
            self._drafts[item_id] = _Draft("put", fields, None)
            return True
        draft = self._drafts.get(item_id) or self._known(item_id)
        if draft is None or draft.kind == "delete":
            return False
        bundled = self._live.bundled(item_id) if draft.kind == "patch" else None
        patch = _with_names(operation.fields, document_of(draft.fields, bundled))
        draft.fields = merged(draft.fields, patch, is_whole=draft.kind == "put")
        self._drafts[item_id] = draft
        return True

    def _added(self, item_id: str) -> float:
        """When an item was added of which nothing else is said: it was there before, or is new."""
        document = self._live.document(item_id)
        return time() if document is None or document.added is None else document.added

    def changes(self) -> list[CatalogueChange]:
        """The records to write."""
        return [
            CatalogueChange(
                item_id, draft.kind, b"" if draft.kind == "delete" else write_fields(draft.fields), draft.expected
            )
            for item_id, draft in self._drafts.items()
        ]

    def _known(self, item_id: str) -> _Draft | None:
        """What is stored of an item, else what the bundle says; None for an item that there is not."""
        record = self._live.record_of(item_id)
        if record is None:
            return None if self._live.bundled(item_id) is None else _Draft("patch", {}, 0)
        if record.kind == "delete":
            return _Draft("delete", {}, record.sequence)
        if record.kind == "patch" and self._live.bundled(item_id) is None:
            return None
        return _Draft(record.kind, _fields_in(record), record.sequence)


def _fields_in(record: CatalogueRecord) -> dict[str, Any]:
    try:
        return read_fields(record.body)
    except ValueError:  # damaged: it counts as none, and what is said now is all
        return {}


def _with_names(patch: Mapping[str, Any], document: ItemDocument) -> dict[str, Any]:
    """A patch in which each cleared value has its name: where all attributes go, all that there are."""
    known = fields_of(document)
    return {
        name: dict.fromkeys(known.get(name, {})) if value is None and name in NAMED_FIELDS else value
        for name, value in patch.items()
    }
