"""The records of merges, erasures and rejected entries of a collected data set."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from app.artifact.people import user_hash, visitor_hash
from app.artifact.stream_records import EraseRecord, MergeRecord
from offline.collecting.durable import write_whole
from offline.collecting.streams import StreamId
from offline.dataset.erased import ERASURES_FILE

MERGES_FILE = "merges.parquet"
REJECTED_FILE = "rejected.jsonl"

_MERGES = pl.Schema({"id": pl.String, "visitor_id": pl.String, "user_id": pl.String, "time": pl.Float64})
_ERASURES = pl.Schema({"id": pl.String, "user_hash": pl.String, "time": pl.Float64})

_Row = tuple[Any, ...]  # of merges
Change = tuple[StreamId, MergeRecord | EraseRecord]


@dataclass(frozen=True)
class Remembered:
    """The records in the folder of one data set. Noting the same entries twice has no further effect."""

    folder: Path

    def merges(self) -> pl.DataFrame:
        """Return merges, without those of erased users: `id` of the entry, `visitor_id`, `user_id`, `time` (unix s)."""
        return _read(self.folder / MERGES_FILE, _MERGES)

    def erasures(self) -> pl.DataFrame:
        """Return the erasures: `id` of the entry, `user_hash` (hexadecimal digits), `time` (unix seconds).

        Everything of the user up to `time` is forgotten. The visitors that were merged into an erased user have rows,
        too, so that their impressions are removed as well.
        """
        return _read(self.folder / ERASURES_FILE, _ERASURES)

    def erased_before(self, entry: StreamId) -> dict[int, float]:
        """Return the unix seconds of the erasures that come before an entry in the stream, by hash of the person.

        Without the visitors who were merged into an erased user: they went with what they had done until then.
        """
        asked_for = self.erasures().filter(pl.col("id") < entry.sortable).unique("id", keep="first")
        newest = asked_for.group_by("user_hash").agg(pl.col("time").max())
        return {int(person, 16): time for person, time in newest.iter_rows()}

    def note_changes(self, changes: Sequence[Change]) -> None:
        """Add merges and erasures, in stream order.

        Raises:
            RunFolderError: a file cannot be written.
        """
        if not changes:
            return
        names = [entry.sortable for entry, _ in changes]
        merges = _Merges(self.merges().filter(~pl.col("id").is_in(names)))
        erased: list[tuple[str, str, float]] = []
        for entry, record in changes:
            if isinstance(record, MergeRecord):
                merges.add((entry.sortable, record.visitor_id, record.user_id, record.time))
            else:
                gone = {int(record.user_hash, 16): record.time, **merges.forget(int(record.user_hash, 16))}
                erased += [(entry.sortable, f"{person_hash:016x}", time) for person_hash, time in gone.items()]
        # Erasures first: once a merge is forgotten, nothing says whose visitor it was.
        if erased:
            added = pl.DataFrame(erased, schema=_ERASURES, orient="row")
            whole = pl.concat([self.erasures(), added]).unique(["id", "user_hash"], keep="first", maintain_order=True)
            write_whole(self.folder / ERASURES_FILE, whole.write_parquet)
        write_whole(self.folder / MERGES_FILE, merges.table().write_parquet)

    def note_rejected(self, stream: str, rejected: Sequence[tuple[StreamId, str]]) -> None:
        """Add rejected entries of a stream, each with the reason why it could not be read.

        Raises:
            RunFolderError: the file cannot be written.
        """
        path = self.folder / REJECTED_FILE
        lines = path.read_text("utf-8").splitlines() if path.is_file() and rejected else []
        known = {(stored["stream"], stored["id"]) for stored in map(json.loads, lines)}
        fresh = [
            json.dumps({"stream": stream, "id": str(entry), "reason": reason}, ensure_ascii=False)
            for entry, reason in rejected
            if (stream, str(entry)) not in known
        ]
        if fresh:
            text = "".join(f"{line}\n" for line in [*lines, *fresh])
            write_whole(path, lambda partial: partial.write_text(text, encoding="utf-8"))


class _Merges:
    """Merges in stream order, by the hash of the user."""

    def __init__(self, table: pl.DataFrame) -> None:
        self._rows: dict[int, list[tuple[int, _Row]]] = {}  # hash of the user -> hash of the visitor, and the row
        for row in table.iter_rows():
            self.add(row)

    def add(self, row: _Row) -> None:
        self._rows.setdefault(user_hash(row[2]), []).append((visitor_hash(row[1]), row))

    def forget(self, person_hash: int) -> dict[int, float]:
        """Remove the merges of a user or visitor; the hash and the latest time of each visitor merged into the user."""
        visitors: dict[int, float] = {}
        for visitor, row in self._rows.pop(person_hash, []):
            visitors[visitor] = max(row[3], visitors.get(visitor, row[3]))
        for user, rows in self._rows.items():
            self._rows[user] = [(visitor, row) for visitor, row in rows if visitor != person_hash]
        return visitors

    def table(self) -> pl.DataFrame:
        rows = sorted(row for rows in self._rows.values() for _, row in rows)
        return pl.DataFrame(rows, schema=_MERGES, orient="row")


def without_erased(rows: pl.DataFrame, erasures: pl.DataFrame) -> pl.DataFrame:
    """Return the impressions without a user, and those later than the erasure of their user."""
    until = erasures.group_by("user_hash").agg(pl.col("time").max().alias("until"))
    return (
        rows.join(until, on="user_hash", how="left", maintain_order="left")
        .filter(pl.col("until").is_null() | (pl.col("timestamp") > pl.col("until")))
        .select(rows.columns)
    )


def erase_from_part(path: Path, erasures: pl.DataFrame) -> bool:
    """Remove the impressions of erased users from one file, and return whether it had any.

    Raises:
        RunFolderError: the file cannot be written.
    """
    users = erasures.select("user_hash").unique().lazy()
    erased_rows = (
        pl.scan_parquet(path, glob=False).select("user_hash", "timestamp").join(users, on="user_hash", how="semi")
    )
    if erased_rows.head(1).collect().is_empty():
        return False
    rows = pl.read_parquet(path, glob=False)
    remaining = without_erased(rows, erasures)
    if remaining.height == rows.height:
        return False
    write_whole(path, remaining.write_parquet)
    return True


def _read(path: Path, schema: pl.Schema) -> pl.DataFrame:
    return pl.read_parquet(path, glob=False) if path.is_file() else pl.DataFrame(schema=schema)
