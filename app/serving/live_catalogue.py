"""The live catalogue of one process: what the store says of items, as a view of the bundle that is served."""

import asyncio
import gc
import logging
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import takewhile
from time import monotonic, perf_counter
from typing import Any, Final

from app.artifact.item_document import ItemDocument
from app.artifact.item_fields import document_of, read_fields
from app.engine.live.activity import NewItemEvent
from app.engine.live.item_change import ItemChange
from app.engine.live.tier_stack import Merging
from app.engine.live.views import ViewMaker
from app.engine.pause import Pause
from app.engine.snapshot import Snapshot
from app.errors import StoreUnavailable
from app.serving.catalogue_look import SharedLook
from app.serving.catalogue_moment import CatalogueMoment
from app.serving.lanes import Lane
from app.serving.own_changes import OwnChanges
from app.serving.release import Release
from app.serving.right_of_way import PATIENCE_S
from app.serving.service import RecommendService
from app.stores.catalogue import CatalogueHead, CatalogueRecord, CatalogueStore
from app.stores.protocol import UserStore
from app.stores.state import StateRequest, StatesRead
from app.telemetry.metrics import Metrics
from app.time_limit import TimeLimit

CATALOGUE: Final = "catalogue"  # in `degraded`: the newest changes of items may be missing
AT_ONCE: Final = 1_000
"""Changes that make one view: whoever waits for a later one sees the earlier ones meanwhile."""
LEAST_WAIT_S: Final = 0.01
"""Seconds that a call waits though it has less time: to look takes about a millisecond."""
SETTLED_AT: Final = 500
"""Changes after which the objects of live items are no longer looked at by collections."""
_NOTHING: Final = CatalogueHead("", 0)
_REST_S: Final = 5.0
_PATIENCE_A_CHANGE_S: Final = 0.0005  # as long as it takes

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CatalogueWaits:
    """How long a view is waited for that is behind."""

    call_s: float = 0.5  # by a call, and never more than half of its own time
    start_s: float = 60.0  # by a process that begins to serve


@dataclass(frozen=True, slots=True)
class Look:
    """What a call answers from."""

    release: Release
    degraded: tuple[str, ...] = ()  # what is missing
    read: StatesRead | None = None  # the states that were read with the look


class LiveCatalogue:
    """Keeps the view of the served release as new as the store.

    Args:
        recommender: serves the release.
        store: keeps what was changed.
        metrics: of the catalogue.
        waits: for a view that is behind.
        users: keep states, which may be read with a look.
    """

    def __init__(
        self,
        recommender: RecommendService,
        store: CatalogueStore,
        metrics: Metrics,
        waits: CatalogueWaits,
        users: UserStore | None = None,
    ) -> None:
        self.store: Final = store
        self._recommender = recommender
        self._metrics = metrics
        self._wait_s, self._start_s = waits.call_s, waits.start_s
        self._looks = SharedLook(store, None if users is None else store.joint_reader(users))
        self._lane = Lane("catalogue")
        self._merging_lane = Lane("catalogue-merging")
        self._unsettled = 0  # changes
        self._merger: asyncio.Task[None] | None = None
        self._busy = asyncio.Lock()  # of all that makes views
        self._records: dict[str, CatalogueRecord] = {}  # by sequence; only the loop touches it
        self._head = _NOTHING
        self._seen = _NOTHING  # in the store, as of the last look
        self._maker = ViewMaker(recommender.release.snapshot)
        self._own = OwnChanges()
        self._is_whole = True  # the maker has all changes up to the head, and no part of a later one
        self._rests_until = 0.0  # on the clock of `monotonic`, after a failure that will come again
        self._running: set[asyncio.Task[None]] = set()  # the loop itself holds tasks only weakly
        self._require(recommender.release)
        metrics.watch_catalogue(
            sequence=lambda: float(self._head.sequence),
            lag=lambda: float(max(0, self._seen.sequence - self._head.sequence)),
            items=lambda: float(len(self._records)),
        )

    @property
    def own(self) -> OwnChanges:
        """Those that are on their way."""
        return self._own

    @property
    def head(self) -> CatalogueHead:
        """What the served view has."""
        return self._head

    def bundled(self, item_id: str) -> ItemDocument | None:
        """An item as the bundle that is served says it; None for one that it does not have."""
        return self._maker.bundled(item_id)

    def document(self, record: CatalogueRecord) -> ItemDocument | None:
        """The item that a record says, by the bundle that is served; None for one that is no more."""
        return self._document_now(self._maker, self._recommender.release, record, self._head.epoch)

    def moment(self, behind: int = 0) -> CatalogueMoment:
        """What is said of items now, for another thread to read; for the loop to call.

        Args:
            behind: of a change; only what changed behind it is told, which takes time by the number of such changes.
                All is told behind 0, and behind a number that this catalogue has not reached: it is another one's.
        """
        if not 0 < behind <= self._head.sequence:
            records = dict(self._records)
        else:
            newer = takewhile(lambda record: record.sequence > behind, reversed(self._records.values()))
            records = {record.item_id: record for record in newer}
        release, head, maker = self._recommender.release, self._head, self._maker
        return CatalogueMoment(
            release, head, records, maker.bundled, partial(self._document_now, maker, release, epoch=head.epoch)
        )

    async def look(self, left_s: float | None = None, people: Sequence[StateRequest] = ()) -> Look:
        """The release with all changes that were accepted before this moment, on any replica.

        A change that this process is just making, and of which nobody was told yet, is not waited for.

        Args:
            left_s: seconds that the call has left, of which no more than half are waited; by default those that a call
                has which names no time.
            people: that the call may be of: where it saves an exchange, their states are read, too.
        """
        here = self.store.head_here
        if here is not None and here == self._head:
            self._seen = here
            return Look(self._recommender.release)
        read = None
        left_s = self._recommender.timeout_ms / 1e3 if left_s is None else left_s
        try:
            with TimeLimit(min(self._wait_s, max(left_s / 2, LEAST_WAIT_S))):
                before = self._head
                head, read = await self._looks.read(self._recommender.release.version, people)
                self._seen = head
                if head.epoch == before.epoch and head.sequence < before.sequence:
                    await self._run(self._read_all_behind(before))  # it was restored from an older state
                elif head != self._head and not self._own.are_all(self._head, head):
                    await self.catch_up(head)
        except (StoreUnavailable, TimeoutError) as error:
            log.debug("the catalogue may be behind", extra={"reason": str(error)})
        except Exception as error:  # told by whoever ran it
            log.debug("the catalogue is behind", exc_info=error)
        else:
            return Look(self._recommender.release, read=read)
        self._metrics.count_degraded(CATALOGUE)
        return Look(self._recommender.release, (CATALOGUE,), read)

    async def catch_up(self, head: CatalogueHead) -> None:
        """Serve a view that has all changes up to `head`, or later ones.

        Whoever waits may leave: what is begun goes on for the others.

        Raises:
            StoreUnavailable: the changes cannot be read, or could not be applied a moment ago.
        """
        while not self._has(head):
            if monotonic() < self._rests_until:
                raise StoreUnavailable("the newest changes of the catalogue cannot be applied; see the log")
            await self._run(self._take_step(head))

    async def count(self, events: Sequence[NewItemEvent], version: str) -> bool:
        """Serve a view that counts events of new items; false where another version is served meanwhile."""
        async with self._busy:
            release, maker = self._recommender.release, self._maker
            if release.version != version or not self._is_whole:
                return False
            pause = self._recommender.right_of_way.pause()
            snapshot = await self._lane.run(lambda: maker.count(events, pause))
            self._recommender.show_view(release.with_view(snapshot))
            return True

    async def serve(self, release: Release) -> None:
        """Serve another release, with the changes that it does not have."""
        async with self._busy:
            self._require(release)
            base = release.base or release
            records, epoch = list(self._records.values()), self._head.epoch
            maker, view = await self._lane.run(lambda: self._view_of(base, records, epoch))
            self._recommender.swap(view)
            self._maker, self._is_whole = maker, True

    async def start(self) -> None:
        """Serve what the store has before anything is answered; one that cannot be reached is read later."""
        try:
            async with asyncio.timeout(self._start_s):
                self._seen = await self._looks.head()
                await self.catch_up(self._seen)
        except (StoreUnavailable, TimeoutError) as error:
            reason = str(error) or "it took too long"
            log.warning(
                "the catalogue is answered as the bundle has it until the store is read", extra={"reason": reason}
            )
        except Exception as error:  # told by whoever ran it
            log.debug("the catalogue is behind", exc_info=error)

    async def close(self) -> None:
        """Wait for what is under way."""
        if self._merger is not None:
            await asyncio.gather(self._merger, return_exceptions=True)
        await self._lane.close()
        await self._merging_lane.close()

    async def _run(self, step: Coroutine[Any, Any, None]) -> None:
        """Do something to its end, whether whoever waits for it goes or not."""
        task = asyncio.create_task(step)
        self._running.add(task)
        task.add_done_callback(self._settle)
        await asyncio.shield(task)

    def _settle(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, StoreUnavailable):
            log.error("a view of the catalogue cannot be made; the one before is served", exc_info=error)
            self._rests_until = monotonic() + _REST_S

    def _has(self, head: CatalogueHead) -> bool:
        """Whether all changes up to `head` are served."""
        return head.epoch == self._head.epoch and head.sequence <= self._head.sequence

    async def _take_step(self, head: CatalogueHead) -> None:
        """Apply some changes, or all that there are."""
        async with self._busy:
            if self._has(head):
                return
            goes_on = head.epoch == self._head.epoch and self._is_whole
            records = await self.store.changes(self._head, AT_ONCE) if goes_on else None
            if records:
                await self._apply(records)
            else:
                await self._read_all()

    async def _read_all_behind(self, before: CatalogueHead) -> None:
        """Begin anew, unless somebody did since."""
        async with self._busy:
            if self._head == before:
                await self._read_all()

    async def _apply(self, records: Sequence[CatalogueRecord]) -> None:
        start = perf_counter()
        release, maker = self._recommender.release, self._maker
        self._is_whole = False  # until all of them are applied
        changes = partial(self._changes_of, maker, release, records, self._head.epoch)
        pause = self._recommender.right_of_way.pause(PATIENCE_S + len(records) * _PATIENCE_A_CHANGE_S)
        snapshot = await self._lane.run(lambda: _next_view(maker, changes(), pause))
        if snapshot is None:
            await self._read_all()
            return
        for record in records:
            self._records.pop(record.item_id, None)
            self._records[record.item_id] = record
        self._head, self._is_whole = replace(self._head, sequence=records[-1].sequence), True
        self._recommender.show_view(release.with_view(snapshot))
        self._metrics.observe_view(perf_counter() - start, len(records))
        self._settle_objects(len(records))
        self._merge_tiers()

    def _settle_objects(self, changes: int) -> None:
        """Take what live items are made of from what full collections walk through, every now and then.

        Requests wait for a collection, and a live item is some dozens of objects; those that are let go of later are
        freed all the same, since nothing of a view refers back to it. Garbage is collected before, in all generations:
        what is left of it would stay for good.
        """
        self._unsettled += changes
        if self._unsettled >= SETTLED_AT:
            self._unsettled = 0
            gc.collect()
            gc.freeze()

    def _merge_tiers(self) -> None:
        """Begin to merge tiers where there are many, beside all else."""
        if self._merger is None or self._merger.done():
            mergings = self._maker.mergings()
            self._merger = asyncio.create_task(self._run_mergings(mergings)) if mergings else None

    async def _run_mergings(self, mergings: Sequence[Merging]) -> None:
        for merging in mergings:
            await self._merging_lane.run(merging.run)
            async with self._busy:
                await self._lane.run(merging.install)

    async def _read_all(self) -> None:
        """Begin anew with all documents: those of another epoch, or of a stream that no longer says all."""
        start = perf_counter()
        head, records = await self.store.documents()
        base = self._recommender.release.base or self._recommender.release
        maker, view = await self._lane.run(lambda: self._view_of(base, records, head.epoch))
        self._records = {record.item_id: record for record in sorted(records, key=lambda record: record.sequence)}
        self._head = head
        self._maker, self._is_whole = maker, True
        self._recommender.show_view(view)
        self._metrics.observe_view(perf_counter() - start, len(records))
        self._settle_objects(len(records))

    def _view_of(self, base: Release, records: Iterable[CatalogueRecord], epoch: str) -> tuple[ViewMaker, Release]:
        """A release with what records say of items and its bundle does not have."""
        maker = ViewMaker(base.snapshot)
        changes = self._changes_of(maker, base, records, epoch)
        return maker, base.with_view(maker.apply(changes)) if changes else base

    def _changes_of(
        self, maker: ViewMaker, release: Release, records: Iterable[CatalogueRecord], epoch: str
    ) -> list[ItemChange]:
        """What records of an epoch say of items, without what the bundle knows already."""
        return [
            ItemChange(record.item_id, self._document_of(maker, record), record.born)
            for record in records
            if not _is_absorbed(release, record, epoch)
        ]

    def _require(self, release: Release) -> None:
        """Let the store know which changes were made, since the bundle has them."""
        manifest = release.snapshot.manifest
        if manifest.catalogue_sequence is not None and manifest.catalogue_epoch is not None:
            self.store.require(CatalogueHead(manifest.catalogue_epoch, manifest.catalogue_sequence))

    def _document_now(
        self, maker: ViewMaker, release: Release, record: CatalogueRecord, epoch: str
    ) -> ItemDocument | None:
        """The same where the bundle may know the change already, and say more of it."""
        return (
            maker.bundled(record.item_id) if _is_absorbed(release, record, epoch) else self._document_of(maker, record)
        )

    def _document_of(self, maker: ViewMaker, record: CatalogueRecord) -> ItemDocument | None:
        """The item that a record says; none for one that was deleted, or of which nothing but a patch is known."""
        base = maker.bundled(record.item_id) if record.kind == "patch" else None
        if record.kind == "delete" or (record.kind == "patch" and base is None):
            return None
        try:
            return maker.known(document_of(read_fields(record.body), base))
        except ValueError as error:
            self._metrics.count_damaged(CATALOGUE, 1)
            log.warning("a stored item cannot be read and counts as none", extra={"reason": str(error)})
            return base


def _next_view(maker: ViewMaker, changes: Sequence[ItemChange], pause: Pause) -> Snapshot | None:
    """The next view; None where all have to be read in their order."""
    return maker.apply(changes, pause) if maker.can_take(changes) else None


def _is_absorbed(release: Release, record: CatalogueRecord, epoch: str) -> bool:
    """Whether a bundle was made of a catalogue that had a change already, which bears its number in this epoch."""
    manifest = release.snapshot.manifest
    if manifest.catalogue_sequence is None or manifest.catalogue_epoch != epoch:
        return False
    return record.sequence <= manifest.catalogue_sequence
