"""Apply merges and erasures to the events that come before them in the stream."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from app.artifact.people import Person, user_hash, visitor_hash
from app.artifact.stream_records import EraseRecord, EventRecord, MergeRecord
from offline.collecting.columns import EventColumns
from offline.collecting.durable import write_whole

_NEVER = float("-inf")
NOBODY: Mapping[int, float] = {}
# No columns of a shop:
_ID, _TO, _USER_UNTIL, _VISITOR_UNTIL = "changes:id", "changes:to", "changes:user_until", "changes:visitor_until"


@dataclass(frozen=True)
class Changes:
    """Merges and erasures that apply to the rows of users and visitors."""

    users: dict[str, str]  # id of a visitor -> that of the user that they turned out to be
    erased: dict[int, float]  # hash of a user or visitor -> unix seconds up to which all is forgotten

    def __bool__(self) -> bool:
        return bool(self.users or self.erased)

    def erased_until(self, person: Person) -> float:
        """Return the unix seconds up to which a person's rows are erased; minus infinity when none are."""
        return self.erased.get(person.hash, _NEVER) if self.erased else _NEVER


@dataclass(frozen=True)
class EventRow:
    """An event, and the user it belongs to after the merges that follow it in its batch; `None`: the visitor's own."""

    user: str | None
    event: EventRecord


def fold(
    records: Sequence[EventRecord | MergeRecord | EraseRecord], erased: Mapping[int, float] = NOBODY
) -> tuple[list[EventRow], Changes]:
    """Return the events that remain of a batch of records, and the changes to make to all earlier rows.

    The records are in stream order. They are read from the last to the first, so that the changes known at an event
    are those that come after it. An event that happened before its person was erased is left out, too, if it came
    after: such as one of a device that was offline.

    Args:
        records: of the batch.
        erased: unix seconds of the erasures before the batch, by hash of the person.
    """
    late = _late(records, erased)
    users: dict[str, str] = {}
    changes = Changes(users, {})
    rows = []
    for place, record in reversed(list(enumerate(records))):
        if isinstance(record, EventRecord):
            person = record.person
            if place not in late and person is not None and record.time > changes.erased_until(person):
                rows.append(EventRow(person.id if person.kind == "user" else users.get(person.id), record))
        elif isinstance(record, EraseRecord):
            person_hash = int(record.user_hash, 16)
            changes.erased[person_hash] = max(record.time, changes.erased.get(person_hash, _NEVER))
        else:
            # Before the merge, the visitor's rows share what comes to the user's after it.
            users[record.visitor_id] = record.user_id
            until = changes.erased_until(Person("user", record.user_id))
            changes.erased.pop(visitor_hash(record.visitor_id), None)
            if until > _NEVER:
                changes.erased[visitor_hash(record.visitor_id)] = until
    return rows[::-1], changes


def _late(records: Sequence[EventRecord | MergeRecord | EraseRecord], erased: Mapping[int, float]) -> set[int]:
    """The places of the events that happened before an erasure, of an earlier batch or an earlier record."""
    known = dict(erased)
    late = set()
    for place, record in enumerate(records):
        if isinstance(record, EraseRecord):
            person = int(record.user_hash, 16)
            known[person] = max(record.time, known.get(person, _NEVER))
        elif isinstance(record, EventRecord) and known:
            until = _NEVER if record.person is None else known.get(record.person.hash, _NEVER)
            if record.time < until:
                late.add(place)
    return late


class Repeatable:
    """Decides where a batch of records ends, so that applying its changes twice equals applying them once.

    A collector that is killed half-way through the files applies the batch to all of them again. That gives wrong rows
    when a merge moves rows to a user whose own rows an earlier record of the batch erased.
    """

    def __init__(self) -> None:
        self._erased: set[int] = set()

    def allows(self, record: object) -> bool:
        """Return whether the record may join the batch."""
        if not isinstance(record, MergeRecord):
            return True
        return user_hash(record.user_id) not in self._erased

    def add(self, record: object) -> None:
        """Add a record to the batch."""
        if isinstance(record, EraseRecord):
            self._erased.add(int(record.user_hash, 16))


def change_part(path: Path, columns: EventColumns, changes: Changes) -> bool:
    """Apply the changes to one file, and return whether any of its rows were affected.

    An erased visitor's id goes from the rows of users, too, who came from the same device.

    Raises:
        RunFolderError: the file cannot be written.
    """
    user, visitor = columns.of["user"], columns.of["visitor_id"]
    ids = pl.scan_parquet(path, glob=False).select(pl.col(user, visitor).unique().implode()).collect()
    users = [
        (name, until)
        for name in ids.item(0, user).drop_nulls()
        if (until := changes.erased_until(Person("user", name))) > _NEVER
    ]
    visitors = [
        (name, changes.users.get(name), None if until == _NEVER else until)
        for name in ids.item(0, visitor).drop_nulls()
        if (until := changes.erased_until(Person("visitor", name))) > _NEVER or name in changes.users
    ]
    if not users and not visitors:
        return False
    of_users = pl.DataFrame(users, schema={_ID: pl.String, _USER_UNTIL: pl.Float64}, orient="row")
    schema = {_ID: pl.String, _TO: pl.String, _VISITOR_UNTIL: pl.Float64}
    of_visitors = pl.DataFrame(visitors, schema=schema, orient="row")
    rows = pl.read_parquet(path, glob=False)
    is_users = pl.col(user).is_not_null()
    is_old = [(columns.seconds() <= pl.col(until)).fill_null(value=False) for until in (_USER_UNTIL, _VISITOR_UNTIL)]
    changed = (
        rows.join(of_users, left_on=user, right_on=_ID, how="left", maintain_order="left")
        .join(of_visitors, left_on=visitor, right_on=_ID, how="left", maintain_order="left")
        .filter(~pl.when(is_users).then(is_old[0]).otherwise(is_old[1]))
        .with_columns(
            pl.coalesce(user, _TO).alias(user),
            pl.when(~(is_users & is_old[1])).then(visitor).alias(visitor),
        )
        .select(rows.columns)
    )
    if changed.equals(rows):
        return False
    write_whole(path, changed.write_parquet)
    return True
