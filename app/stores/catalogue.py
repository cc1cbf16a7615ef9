"""The protocol of the store of the live catalogue. One contract suite runs over every implementation."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from app.artifact.catalogue_records import NO_CHANGE, CatalogueHead, CatalogueRecord, Kind
from app.stores.protocol import UserStore
from app.stores.state import FetchResult, StateRequest

__all__ = ["NO_CHANGE", "CatalogueChange", "CatalogueHead", "CatalogueRecord", "CatalogueStore", "Kind", "Written"]

ReadTogether = Callable[[str, Sequence[StateRequest]], Awaitable[tuple[CatalogueHead, FetchResult]]]
"""Reads the head, and the states of a version as `UserStore.fetch` does; raises `StoreUnavailable`."""


@dataclass(frozen=True, slots=True)
class CatalogueChange:
    """What is to be said of an item from now on."""

    item_id: str
    kind: Kind
    body: bytes  # JSON of the fields; empty for `delete`
    expected: int | None = None  # sequence of the record that it was made from, 0 where there was none; None: any


@dataclass(frozen=True, slots=True)
class Written:
    """What came of some changes."""

    head: CatalogueHead  # behind them
    records: list[CatalogueRecord | None]  # one a change; None: its record is not the expected one: read, try again


class CatalogueStore(Protocol):
    """Records by item id, each with the sequence number of the change that left it.

    Every change has a number of its own, one more than the change before. A store that lost what it had begins another
    epoch, or its head goes back; what a follower knows then is void, and it reads `documents`.

    Every method that reaches outside the process raises `StoreUnavailable` when the store cannot be reached, does not
    answer in time, or refuses.
    """

    @property
    def durable(self) -> bool:
        """Whether what was accepted outlives the process that holds it."""
        ...

    def require(self, head: CatalogueHead) -> None:
        """Take it that changes up to `head` were made, since a version has them.

        A store of the same epoch that is behind, such as one that was restored, has lost some: it begins another epoch
        with the next write or reading of all documents, or else new changes would pass for those that the version has.
        """
        ...

    @property
    def head_here(self) -> CatalogueHead | None:
        """The same as `head`, where this process itself keeps the catalogue; None where it has to be asked for."""
        ...

    async def head(self) -> CatalogueHead:
        """How far the catalogue has come; `NO_CHANGE` for one that never changed."""
        ...

    def joint_reader(self, users: UserStore) -> ReadTogether | None:
        """What reads the head and states of `users` in one exchange; None where that saves none."""
        ...

    async def read(self, item_ids: Sequence[str]) -> list[CatalogueRecord | None]:
        """The record of each id as it is now; None where there is none."""
        ...

    async def write(self, changes: Sequence[CatalogueChange]) -> Written:
        """Make changes, in order, each whole or not at all; what others write may come between two of them.

        An id that comes twice is written twice. After an error some of the changes may have been made, those in front:
        made again they do no harm, but that an `expected` which was right before is right no more.
        """
        ...

    async def changes(self, after: CatalogueHead, limit: int) -> list[CatalogueRecord] | None:
        """The records that changes behind `after` left, ordered by sequence: at most `limit`, perhaps fewer.

        Of an item that was changed again later only the later record is told, in its turn. An empty list says that
        nothing is behind `after`, or nothing that can be read. `None` says that it is not known any more: the stream
        does not go back so far, or `after` is of another epoch, or of changes that the store lost.
        """
        ...

    async def documents(self) -> tuple[CatalogueHead, list[CatalogueRecord]]:
        """A head and all records, ordered by `born`.

        No change up to that head is missing. Later ones may be there already, as their own numbers say, and are told
        once more by `changes`.
        """
        ...

    async def forget(self, epoch: str, sequence: int) -> int:
        """Drop the records of changes up to `sequence`, which all versions that are kept have, and count them.

        Nothing is dropped where `epoch` is not the present one. What is written of such an id later is born anew.
        """
        ...

    async def log_activity(self, entries: Sequence[bytes]) -> None:
        """Append to the stream of activity, which keeps some newest entries; what cannot be written is lost."""
        ...

    async def activity(self, after: str, limit: int) -> tuple[str, list[bytes]]:
        """Entries of the stream of activity behind a cursor, oldest first, and the cursor behind them.

        Args:
            after: a cursor of before, or empty: from the oldest entry that is kept.
            limit: entries at most.
        """
        ...
