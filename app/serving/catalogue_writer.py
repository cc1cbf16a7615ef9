"""Changes of items on their way to the store: each is whole or not at all, and seen by the very next call."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from random import random
from time import monotonic
from typing import Any, Final

from app.artifact.item_document import ItemDocument
from app.artifact.item_fields import NAMED_FIELDS, document_of, fields_of, merged, read_fields, write_fields
from app.errors import StoreUnavailable
from app.serving.cooperative import ShieldedWrites
from app.serving.item_turns import Turns
from app.serving.live_catalogue import LiveCatalogue
from app.stores.catalogue import CatalogueChange, CatalogueHead, CatalogueRecord, Kind

WRITTEN_AT_ONCE: Final = 500
"""Operations that go to the store together."""
_MOST_S: Final = 5.0  # of trying again, where other replicas change the same item at the same moment
_FIRST_PAUSE_S: Final = 0.001
_LONGEST_PAUSE_S: Final = 0.05


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

    Those of one item are written one after the other, as they come; of the writers at other replicas the store knows.

    Args:
        live: the catalogue of this process.
        now: tells unix seconds.
    """

    def __init__(self, live: LiveCatalogue, now: Callable[[], float]) -> None:
        self._live = live
        self._now = now
        self._writes = ShieldedWrites()
        self._turns = Turns()

    async def write(self, operations: Sequence[Operation]) -> Applied:
        """Do operations in their order; what is begun is finished, whether the caller waits or not.

        Raises:
            StoreUnavailable: some were not written; all may be sent again.
        """
        return await self._writes.run(self._write(operations))

    async def _write(self, operations: Sequence[Operation]) -> Applied:
        unknown: list[int] = []
        head = self._live.head
        own: list[int] = []
        try:
            for start in range(0, len(operations), WRITTEN_AT_ONCE):
                part = operations[start : start + WRITTEN_AT_ONCE]
                async with self._turns.take({operation.item_id for operation in part}):
                    head, unknown_of_part = await self._write_part(part, own)
                unknown += (start + place for place in sorted(unknown_of_part))
            await self._live.catch_up(head)
        finally:
            self._live.own.tell(own)
        return Applied(head, unknown, self._live.store.durable)

    async def _write_part(self, operations: Sequence[Operation], own: list[int]) -> tuple[CatalogueHead, set[int]]:
        """Write some operations; where somebody changed an item since it was read, it is read again. The sequence
        numbers of what is written are added to `own`.
        """
        store, last = self._live.store, monotonic() + _MOST_S
        places: Iterable[int] = range(len(operations))
        unknown: set[int] = set()
        for attempt in count():
            changes, unknown_now = await self._draft(operations, places)
            unknown |= unknown_now
            if not changes:
                return await store.head(), unknown
            written = await store.write(changes)
            sequences = [record.sequence for record in written.records if record is not None]
            own += sequences
            self._live.own.add(written.head.epoch, sequences)
            pairs = zip(changes, written.records, strict=True)
            refused = {change.item_id for change, record in pairs if record is None}
            if not refused:
                return written.head, unknown
            if monotonic() > last:
                break
            places = [place for place, operation in enumerate(operations) if operation.item_id in refused]
            unknown.difference_update(places)
            await asyncio.sleep(random() * min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(attempt, 10)))
        raise StoreUnavailable("an item is changed by others all the time: send the change again")

    async def _draft(
        self, operations: Sequence[Operation], places: Iterable[int]
    ) -> tuple[list[CatalogueChange], set[int]]:
        """What is to be written for the operations at these places, by what the store says now.

        Returns:
            The changes, and the places of the patches of items that there are not.
        """
        ids = list(dict.fromkeys(operations[place].item_id for place in places if _builds_on(operations[place])))
        records = await self._live.store.read(ids) if ids else []
        drafts = _Drafts(self._live, dict(zip(ids, records, strict=True)), self._now)
        unknown = {place for place in places if not drafts.add(operations[place])}
        return drafts.changes(), unknown


def _builds_on(operation: Operation) -> bool:
    """Whether what is written hangs on what is known of the item."""
    return operation.kind == "patch" or (operation.kind == "put" and "added" not in operation.fields)


@dataclass(slots=True)
class _Draft:
    kind: Kind
    fields: dict[str, Any]
    expected: int | None  # as in `CatalogueChange`


class _Drafts:
    """What the store is to say of items after some operations: one record an item.

    Args:
        live: knows the bundle.
        records: what the store says now of the items that operations build on, by id.
        now: tells unix seconds.
    """

    def __init__(
        self, live: LiveCatalogue, records: Mapping[str, CatalogueRecord | None], now: Callable[[], float]
    ) -> None:
        self._live = live
        self._records = records
        self._now = now
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
        record = self._records.get(item_id)
        document = self._live.bundled(item_id) if record is None else self._live.document(record)
        return self._now() if document is None or document.added is None else document.added

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
        record = self._records.get(item_id)
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
