"""Collect: move the entries of the service's streams into files, then remove them from Redis.

A batch of entries, and the changes that it makes to earlier files, are on disk before any of its entries is removed
from Redis. Beside the files stands how far each stream is collected, so that a collector that is killed at any moment
loses and repeats nothing. Events of all partitions, and of the one stream of the layout before, are read in the order
of the server's clock.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import redis

from app.artifact.people import PARTITIONS
from app.artifact.redis_keys import Keys
from app.artifact.stream_records import EraseRecord, EventRecord, ImpressionRecord, MergeRecord
from offline.collecting.changes import Repeatable, change_part, fold
from offline.collecting.columns import (
    EARLIER_IMPRESSION_COLUMNS,
    IMPRESSION_COLUMNS,
    EventColumns,
    impression_frame,
)
from offline.collecting.dataset_file import (
    EVENTS_FOLDER,
    DatasetFile,
    plan_dataset_file,
    read_dataset_file,
    write_dataset_file,
)
from offline.collecting.folder import locked
from offline.collecting.live_items import collect_items
from offline.collecting.parts import Parts, name_of
from offline.collecting.positions import Positions
from offline.collecting.records import Unreadable, read_event, read_impression
from offline.collecting.remembered import Remembered, erase_from_part, without_erased
from offline.collecting.streams import ALONE, START, StreamId, Streams
from offline.dataset.spec import SPEC_FILE
from offline.errors import RunFolderError
from offline.workspace.atomic import clear_partial
from offline.workspace.live_catalogue import LiveCatalogueStore
from offline.workspace.progress import Progress, silent

IMPRESSIONS_FOLDER = "impressions"
PART_ENTRIES = 100_000
_PERSON = "collect:person"  # no column of a shop

Say = Callable[[str], None]
"""Receives a line for people."""

_Record = EventRecord | MergeRecord | EraseRecord | Unreadable
_Shown = tuple[StreamId, ImpressionRecord | Unreadable]


@dataclass(frozen=True)
class CollectConfig:
    """How a data set is collected. `base`, `name` and `items` count only until the folder has a `dataset.toml`."""

    base: Path | None = None  # a data set whose events come before those collected
    name: str | None = None  # of the data set; that of the base or of the folder otherwise
    items: str | None = None  # file of the catalogue, instead of the base's
    part_entries: int = PART_ENTRIES  # most entries of a stream in one file

    @property
    def has_description(self) -> bool:
        """Whether anything here is meant for `dataset.toml`."""
        return (self.base, self.name, self.items) != (None, None, None)


@dataclass(frozen=True)
class Collected:
    """The counts of one pass."""

    events: int = 0  # rows written
    impressions: int = 0  # rows written
    duplicates: int = 0  # events of a user with an id that was there
    rejected: int = 0  # entries that could not be read
    merged: int = 0  # visitors
    erased: int = 0  # users and visitors
    trimmed: int = 0  # entries removed from Redis
    parts: int = 0  # files written
    left: int = 0  # entries that came meanwhile
    items: int = 0  # changed while they were served, since the pass before
    catalogue: str | None = None  # up to which change the folder has them, as EPOCH:SEQUENCE


def collect(
    client: redis.Redis,
    keys: Keys,
    out: Path,
    *,
    config: CollectConfig | None = None,
    progress: Progress = silent,
    say: Say | None = None,
) -> Collected:
    """Move what is in the streams now into the folder `out`, and describe it as a data set.

    Args:
        client: a connection to the store.
        keys: the names of its keys.
        out: the folder of the data set; it gets `events/`, `impressions/`, `dataset.toml`, and the records of merges,
            erasures and rejected entries.
        config: the defaults when left out.
        progress: called with the number of entries moved.
        say: called with each line that a person may want to read.

    Raises:
        DatasetError: `dataset.toml` or the base cannot be used; nothing was read.
        RunFolderError: the folder is in use, of another store, or cannot be written.
        RedisError: the store cannot be reached, or refuses.
    """
    config, say = config or CollectConfig(), say or _ignore
    with locked(out):
        if (out / SPEC_FILE).is_file():
            dataset_file = read_dataset_file(out)
            if config.has_description:
                say(f"{out / SPEC_FILE} is there and stays as it is: --base, --name and --items change nothing")
        else:
            dataset_file = plan_dataset_file(out, config.base, config.name, config.items)
        run = _Pass(client, keys, out, dataset_file, config.part_entries, progress)
        run.drain_events()
        run.drain_impressions()
        run.take_items(LiveCatalogueStore(client, keys), say)
        result = run.finish()
        for key in run.damaged():
            say(f"warning: {key!r} holds something else than a stream, and is passed over: look at it, then remove it")
        for note in dataset_file.notes:
            say(note)
        if not result.parts and not result.items:
            say("nothing to collect")
        return result


class _Pass:
    """One pass: the entries between the last one collected and the last one in the streams when it starts."""

    def __init__(
        self,
        client: redis.Redis,
        keys: Keys,
        out: Path,
        dataset_file: DatasetFile,
        part_entries: int,
        progress: Progress,
    ) -> None:
        self._out = out
        self._dataset_file = dataset_file
        self._part_entries = part_entries
        self._progress = progress
        clear_partial(out)
        self._remembered = Remembered(out)
        streams = {ALONE: keys.old.event_stream} | {place: keys.event_stream(place) for place in range(PARTITIONS)}
        self._event_streams = Streams(client, streams)
        self._impression_stream = Streams.alone(client, keys.impression_stream)
        self._event_parts = _open_parts(out / EVENTS_FOLDER)
        self._impression_parts = _open_parts(out / IMPRESSIONS_FOLDER)
        self._event_parts.require_columns(dataset_file.columns.names, dataset_file.location)
        self._impression_parts.require_columns(
            IMPRESSION_COLUMNS, str(out / IMPRESSIONS_FOLDER), EARLIER_IMPRESSION_COLUMNS
        )
        self._positions = Positions(out, self._event_parts.all)
        # Taken now, so that the pass ends however much comes meanwhile.
        self._ends = self._event_streams.ends(), self._impression_stream.ends()
        self._total = len(self._event_streams) + len(self._impression_stream)
        self._done = 0
        self._is_described = False
        self._catalogue: str | None = None
        self._counts: Counter[str] = Counter()  # by field of `Collected`

    def drain_events(self) -> None:
        """Move the events, and apply the merges and erasures among them to the files collected before."""
        parts = self._event_parts
        if not self._ends[0]:
            return
        self._cut_off_events(self._ends[0])
        for batch in self._event_batches(self._ends[0]):
            first, last = batch[0][0], batch[-1][0]
            self._set_aside("events", batch)
            changes = [(entry, record) for entry, record in batch if isinstance(record, MergeRecord | EraseRecord)]
            records = [record for _, record in batch if not isinstance(record, Unreadable)]
            rows, effect = fold(records, self._remembered.erased_before(first))
            self._remembered.note_changes(changes)
            if effect:
                for part in parts.all:
                    change_part(part.path, self._dataset_file.columns, effect)
                self._erase_impressions([entry for entry, _ in changes])
            columns = self._dataset_file.columns
            events = columns.frame([row.user for row in rows], [row.event for row in rows])
            fresh = _without_duplicates(events, parts, columns)
            self._positions.advance((entry for entry, _ in batch), name_of(first, last))
            self._add(parts, first, last, fresh)
            self._positions.commit()
            self._counts["events"] += fresh.height
            self._counts["duplicates"] += events.height - fresh.height
            self._counts["merged"] += sum(isinstance(record, MergeRecord) for _, record in changes)
            self._counts["erased"] += sum(isinstance(record, EraseRecord) for _, record in changes)
            self._advance(len(batch), "events")
            self._cut_off_events({entry.partition for entry, _ in batch})

    def drain_impressions(self) -> None:
        """Move the impressions, without those of erased users."""
        stream, parts = self._impression_stream, self._impression_parts
        if not self._ends[1]:
            return
        self._cut_off_impressions()
        erasures = self._remembered.erasures()
        unread = stream.between({ALONE: parts.last}, self._ends[1])
        entries = ((entry.id, read_impression(entry)) for entry in unread)
        for batch in _groups(entries, self._part_entries):
            first, last = batch[0][0], batch[-1][0]
            self._set_aside("impressions", batch)
            shown = impression_frame([record for _, record in batch if isinstance(record, ImpressionRecord)])
            left = without_erased(shown, erasures)
            self._add(parts, first, last, left)
            self._counts["impressions"] += left.height
            self._advance(len(batch), "impressions")
            self._cut_off_impressions()

    def take_items(self, store: LiveCatalogueStore, say: Say) -> None:
        """Write what was changed of the catalogue while it was served."""
        collected = collect_items(store, self._out, self._describe_without_events, say)
        if collected is not None:
            self._counts["items"] = collected.changed
            self._catalogue = f"{collected.mark.epoch}:{collected.mark.sequence}"

    def damaged(self) -> list[bytes]:
        """Return the keys of streams that hold something else."""
        return sorted(self._event_streams.damaged | self._impression_stream.damaged)

    def finish(self) -> Collected:
        """Return the counts of the pass."""
        self._counts["left"] = len(self._event_streams) + len(self._impression_stream)
        self._progress(self._total, self._total, "collected")
        return Collected(**self._counts, catalogue=self._catalogue)

    def _event_batches(self, upto: Mapping[int, StreamId]) -> Iterator[list[tuple[StreamId, _Record]]]:
        """Yield the entries of one file at a time; a batch ends early where `Repeatable` requires it."""
        batch: list[tuple[StreamId, _Record]] = []
        repeatable = Repeatable()
        for entry in self._event_streams.between(self._positions.lasts(), upto):
            record = read_event(entry)
            if len(batch) == self._part_entries or not repeatable.allows(record):
                yield batch
                batch, repeatable = [], Repeatable()
            repeatable.add(record)
            batch.append((entry.id, record))
        if batch:
            yield batch

    def _set_aside(self, stream: str, batch: Sequence[tuple[StreamId, object]]) -> None:
        rejected = [(entry, record.reason) for entry, record in batch if isinstance(record, Unreadable)]
        self._remembered.note_rejected(stream, rejected)
        self._counts["rejected"] += len(rejected)

    def _erase_impressions(self, entries: Sequence[StreamId]) -> None:
        names = [entry.sortable for entry in entries]
        erasures = self._remembered.erasures().filter(pl.col("id").is_in(names))
        if erasures.is_empty():
            return
        for part in self._impression_parts.all:
            erase_from_part(part.path, erasures)

    def _add(self, parts: Parts, first: StreamId, last: StreamId, rows: pl.DataFrame) -> None:
        # Described before the first part is there: its columns are those of the file from then on.
        if not self._is_described:
            write_dataset_file(self._out, self._dataset_file)
            self._is_described = True
        parts.add(first, last, rows)
        self._counts["parts"] += 1

    def _describe_without_events(self) -> None:
        """Make a data set that can be read of a shop that has earlier events, new items, and no new events."""
        if self._dataset_file.has_earlier and not self._event_parts.all:
            self._add(self._event_parts, START, START, self._dataset_file.columns.frame([], []))

    def _advance(self, entries: int, what: str) -> None:
        self._done += entries
        self._progress(self._done, max(self._done, self._total), what)

    def _cut_off_events(self, partitions: Iterable[int]) -> None:
        """Remove the entries that are in files from the event streams of some partitions.

        Raises:
            RunFolderError: the files are of another store.
        """
        lasts, positions = self._positions.lasts(), self._positions
        firsts = self._event_streams.firsts(partitions)
        passed = {place: first for place, first in firsts.items() if positions.has_passed(first)}
        for place, first in passed.items():
            if not positions.covers(first):
                raise _of_another_store(self._event_parts.folder, lasts[place], first)
        if passed:
            self._counts["trimmed"] += self._event_streams.trim({place: lasts[place] for place in passed})

    def _cut_off_impressions(self) -> None:
        """Remove the entries that are in files from the stream of impressions.

        Raises:
            RunFolderError: the files are of another store.
        """
        stream, parts = self._impression_stream, self._impression_parts
        first = stream.firsts().get(ALONE)
        if first is None or first > parts.last:
            return
        if not parts.covers(first):
            raise _of_another_store(parts.folder, parts.last, first)
        self._counts["trimmed"] += stream.trim({ALONE: parts.last})


def _of_another_store(folder: Path, last: StreamId, first: StreamId) -> RunFolderError:
    return RunFolderError(
        f"{folder}: expected to go on behind entry {last}, got entry {first} in the stream, which was never collected "
        "here: this folder is of another Redis or prefix; name another folder"
    )


def _open_parts(folder: Path) -> Parts:
    clear_partial(folder)
    return Parts(folder)


def _groups(entries: Iterator[_Shown], size: int) -> Iterator[list[_Shown]]:
    batch: list[_Shown] = []
    for entry in entries:
        batch.append(entry)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _without_duplicates(rows: pl.DataFrame, parts: Parts, columns: EventColumns) -> pl.DataFrame:
    """Return the rows whose user or visitor has no event of the same id, in an earlier row or in an earlier file."""
    key = [_PERSON, columns.of["event_id"]]
    person = columns.person().alias(_PERSON)
    unique = rows.with_columns(person).unique(key, keep="first", maintain_order=True)
    keys = unique.lazy().select(key)
    for part in parts.all:
        stored = pl.scan_parquet(part.path, glob=False).with_columns(person).select(key)
        known = stored.join(keys, on=key, how="semi").unique().collect()
        if not known.is_empty():
            unique = unique.join(known, on=key, how="anti", maintain_order="left")
    return unique.select(rows.columns)


def _ignore(line: str) -> None:
    del line
