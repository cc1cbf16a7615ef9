"""Apply merges and erasures to the events that come before them in the stream."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from app.artifact.hashing import stable_hash
from app.artifact.stream_records import EraseRecord, EventRecord, MergeRecord
from offline.collecting.columns import EventColumns
from offline.collecting.durable import write_whole

_NEVER = float("-inf")
_FROM, _TO, _UNTIL = "changes:from", "changes:to", "changes:until"  # no columns of a shop


@dataclass(frozen=True)
class Changes:
    """Merges and erasures that apply to the rows of users."""

    users: dict[str, str]  # visitor -> the user that they turned out to be
    erased: dict[int, float]  # hash of a user -> unix seconds up to which all is forgotten

    def __bool__(self) -> bool:
        return bool(self.users or self.erased)

    def erased_until(self, user: str) -> float:
        """Return the unix seconds up to which a user's rows are erased; minus infinity when none are."""
        return self.erased.get(stable_hash(user), _NEVER) if self.erased else _NEVER


@dataclass(frozen=True)
class EventRow:
    """An event, and the user it belongs to after the merges that follow it in its batch."""

    user: str
    event: EventRecord


def fold(records: Sequence[EventRecord | MergeRecord | EraseRecord]) -> tuple[list[EventRow], Changes]:
    """Return the events that remain of a batch of records, and the changes to make to all earlier rows.

    The records are in stream order. They are read from the last to the first, so that the changes known at an event
    are those that come after it.
    """
    users: dict[str, str] = {}
    changes = Changes(users, {})
    rows = []
    for record in reversed(records):
        if isinstance(record, EventRecord):
            if record.time > changes.erased_until(record.subject):
                rows.append(EventRow(users.get(record.subject, record.subject), record))
        elif isinstance(record, EraseRecord):
            user_hash = int(record.user_hash, 16)
            changes.erased[user_hash] = max(record.time, changes.erased.get(user_hash, _NEVER))
        else:
            # Before the merge, the visitor's rows share what comes to the user's after it.
            users[record.visitor_id] = users.get(record.user_id, record.user_id)
            until = changes.erased_until(record.user_id)
            changes.erased.pop(stable_hash(record.visitor_id), None)
            if until > _NEVER:
                changes.erased[stable_hash(record.visitor_id)] = until
    return rows[::-1], changes


class Repeatable:
    """Decides where a batch of records ends, so that applying its changes twice equals applying them once.

    A collector that is killed half-way through the files applies the batch to all of them again. That gives wrong rows
    when a merge moves rows to a user whose own rows an earlier record of the batch erased or moved.
    """

    def __init__(self) -> None:
        self._visitors: set[str] = set()
        self._erased: set[int] = set()

    def allows(self, record: object) -> bool:
        """Return whether the record may join the batch."""
        if not isinstance(record, MergeRecord):
            return True
        return record.user_id not in self._visitors and stable_hash(record.user_id) not in self._erased

    def add(self, record: object) -> None:
        """Add a record to the batch."""
        if isinstance(record, MergeRecord):
            self._visitors.add(record.visitor_id)
        elif isinstance(record, EraseRecord):
            self._erased.add(int(record.user_hash, 16))


def change_part(path: Path, columns: EventColumns, changes: Changes) -> bool:
    """Apply the changes to one file, and return whether any of its rows were affected.

    Raises:
        RunFolderError: the file cannot be written.
    """
    user = columns.of["user"]
    users = pl.scan_parquet(path, glob=False).select(pl.col(user).unique()).collect().get_column(user)
    touched = [
        (name, changes.users.get(name, name), until)
        for name in users
        if (until := changes.erased_until(name)) > _NEVER or name in changes.users
    ]
    if not touched:
        return False
    schema = {_FROM: pl.String, _TO: pl.String, _UNTIL: pl.Float64}
    table = pl.DataFrame(touched, schema=schema, orient="row")
    rows = pl.read_parquet(path, glob=False)
    names = rows.columns
    changed = (
        rows.join(table, left_on=user, right_on=_FROM, how="left", maintain_order="left")
        .filter(pl.col(_UNTIL).is_null() | (columns.seconds() > pl.col(_UNTIL)))
        .with_columns(pl.coalesce(_TO, user).alias(user))
        .select(names)
    )
    write_whole(path, changed.write_parquet)
    return True
