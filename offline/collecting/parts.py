"""The parts of a collected stream: Parquet files, each named by the first and the last entry that it covers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from offline.collecting.durable import make_folder, write_whole
from offline.collecting.streams import START, StreamId
from offline.errors import DatasetError, RunFolderError

SUFFIX = ".parquet"


@dataclass(frozen=True)
class Part:
    """One file. It covers entries from `first` to `last`, although some of them have no row."""

    path: Path
    first: StreamId
    last: StreamId


class Parts:
    """All parts of one stream, oldest first.

    Args:
        folder: holds the parts and no other Parquet file; it may be missing.

    Raises:
        RunFolderError: the folder holds other Parquet files.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        files = (path for path in folder.glob(f"*{SUFFIX}") if path.is_file())
        self.all = sorted(map(_part, files), key=lambda part: part.first)

    @property
    def last(self) -> StreamId:
        """The last entry that a part covers; `START` without parts."""
        return max((part.last for part in self.all), default=START)

    def covers(self, entry: StreamId) -> bool:
        """Return whether a part covers the entry."""
        return any(part.first <= entry <= part.last for part in self.all)

    def add(self, first: StreamId, last: StreamId, rows: pl.DataFrame) -> None:
        """Write a part with the rows of the entries from `first` to `last`; it is on disk when this returns.

        Raises:
            RunFolderError: the part cannot be written.
        """
        make_folder(self.folder)
        path = self.folder / name_of(first, last)
        write_whole(path, rows.write_parquet)
        self.all.append(Part(path, first, last))

    def require_columns(self, columns: Sequence[str], location: str, earlier: Sequence[str] = ()) -> None:
        """Return when every part has these columns, or those of an `earlier` form.

        Raises:
            DatasetError: one has others: the mapping in dataset.toml was changed since. `at` is its place.
        """
        for part in self.all:
            existing = pl.read_parquet_schema(part.path)
            if list(existing) not in (list(columns), list(earlier)):
                raise DatasetError(
                    f"{location}: expected the columns of what was collected before, {', '.join(existing)} in "
                    f"{part.path}, got the mapping to {', '.join(columns)}: map them as before"
                )


def name_of(first: StreamId, last: StreamId) -> str:
    """Return the name of a part that begins and ends with these entries."""
    return f"{first.sortable}_{last.sortable}{SUFFIX}"


def _part(path: Path) -> Part:
    first, _, last = path.name.removesuffix(SUFFIX).partition("_")
    ends = StreamId.parse(first), StreamId.parse(last)
    if ends[0] is None or ends[1] is None:
        raise RunFolderError(
            f"{path.parent}: expected only what was collected, got {path.name}: collect into another folder, and "
            "name this one with --base"
        )
    return Part(path, ends[0], ends[1])
