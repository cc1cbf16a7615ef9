"""The live catalogue inside the process; gone with it."""

from collections import OrderedDict, deque
from collections.abc import Sequence
from itertools import takewhile
from secrets import token_hex
from typing import Final

from app.artifact.catalogue_records import NO_CHANGE, CatalogueHead, CatalogueRecord
from app.stores.catalogue import CatalogueChange, Written
from app.stores.protocol import UserStore

EPOCH_BYTES: Final = 8


class MemoryCatalogueStore:
    """`CatalogueStore` inside one process; nothing is durable.

    Args:
        activity_cap: entries of activity that are kept.
    """

    durable = False

    def __init__(self, activity_cap: int = 100_000) -> None:
        self._epoch = token_hex(EPOCH_BYTES)
        self._sequence = 0
        self._records: OrderedDict[str, CatalogueRecord] = OrderedDict()  # by sequence
        self._forgotten = 0  # the sequence up to which records were dropped
        self._activity: deque[tuple[int, bytes]] = deque(maxlen=activity_cap)
        self._activity_number = 0

    def require(self, head: CatalogueHead) -> None:
        """Nothing is lost while the process lives."""

    @property
    def head_here(self) -> CatalogueHead:
        """How far the catalogue has come."""
        return CatalogueHead(self._epoch, self._sequence) if self._sequence else NO_CHANGE

    async def head(self) -> CatalogueHead:
        """How far the catalogue has come."""
        return self.head_here

    def joint_reader(self, users: UserStore) -> None:
        """There is no exchange to save."""

    async def read(self, item_ids: Sequence[str]) -> list[CatalogueRecord | None]:
        """The record of each id as it is now; None where there is none."""
        return [self._records.get(item_id) for item_id in item_ids]

    async def write(self, changes: Sequence[CatalogueChange]) -> Written:
        """Make changes, in order."""
        records = [self._write(change) for change in changes]
        return Written(await self.head(), records)

    async def changes(self, after: CatalogueHead, limit: int) -> list[CatalogueRecord] | None:
        """The records that changes behind `after` left, ordered by sequence."""
        head = await self.head()
        if after.epoch != head.epoch or not self._forgotten <= after.sequence <= head.sequence:
            return [] if after == head else None
        newer = takewhile(lambda record: record.sequence > after.sequence, reversed(self._records.values()))
        return list(newer)[::-1][:limit]

    async def documents(self) -> tuple[CatalogueHead, list[CatalogueRecord]]:
        """The head and all records, ordered by `born`."""
        return await self.head(), sorted(self._records.values(), key=lambda record: record.born)

    async def forget(self, epoch: str, sequence: int) -> int:
        """Drop the records of changes up to `sequence` of this epoch, and count them."""
        head = await self.head()
        if epoch != head.epoch:
            return 0
        old = takewhile(lambda record: record.sequence <= sequence, list(self._records.values()))
        dropped = [self._records.pop(record.item_id) for record in old]
        self._forgotten = max(self._forgotten, min(sequence, head.sequence))
        return len(dropped)

    async def log_activity(self, entries: Sequence[bytes]) -> None:
        """Append to the stream of activity."""
        for entry in entries:
            self._activity_number += 1
            self._activity.append((self._activity_number, entry))

    async def activity(self, after: str, limit: int) -> tuple[str, list[bytes]]:
        """Entries of the stream of activity behind a cursor, and the cursor behind them."""
        number = int(after or 0)
        newer = list(takewhile(lambda pair: pair[0] > number, reversed(self._activity)))[::-1][:limit]
        return (str(newer[-1][0]) if newer else after), [entry for _, entry in newer]

    def _write(self, change: CatalogueChange) -> CatalogueRecord | None:
        before = self._records.get(change.item_id)
        if change.expected is not None and change.expected != (0 if before is None else before.sequence):
            return None
        self._sequence += 1
        born = self._sequence if before is None else before.born
        record = CatalogueRecord(change.item_id, born, self._sequence, change.kind, change.body)
        self._records[change.item_id] = record
        self._records.move_to_end(change.item_id)
        return record
