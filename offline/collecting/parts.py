"""The parts of what was collected: Parquet files, each named by the first and the last entry that it covers."""

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
    """One file. It covers every entry from `first` to `last`, although not every one became a row."""

    path: Path
    first: StreamId
    last: StreamId


class Parts:
    """All parts of one stream, oldest first.

    Args:
        folder: that holds nothing else.

    Raises:
        RunFolderError: the folder holds other Parquet files.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        files = (path for path in folder.glob(f"*{SUFFIX}") if path.is_file())
        self.all = sorted(map(_part, files), key=lambda part: part.first)

    @property
    def last(self) -> StreamId:
        """The entry to go on behind: everything up to it is in a part."""
        return max((part.last for part in self.all), default=START)

    def covers(self, entry: StreamId) -> bool:
        """Whether the entry is in a part."""
        return any(part.first <= entry <= part.last for part in self.all)

    def add(self, first: StreamId, last: StreamId, rows: pl.DataFrame) -> None:
        """Write a further part; it is on disk when this returns.

        Raises:
            RunFolderError: it cannot be written.
        """
        make_folder(self.folder)
        path = self.folder / f"{first.sortable}_{last.sortable}{SUFFIX}"
        write_whole(path, rows.write_parquet)
        self.all.append(Part(path, first, last))

    def require_columns(self, columns: Sequence[str], location: str) -> None:
        """Return when every part has these columns.

        Raises:
            DatasetError: one has others: the mapping in dataset.toml was changed since. `at` is its place.
        """
        for part in self.all:
            existing = pl.read_parquet_schema(part.path)
            if list(existing) != list(columns):
                raise DatasetError(
                    f"{location}: expected the columns of what was collected before, {', '.join(existing)} in "
                    f"{part.path}, got the mapping to {', '.join(columns)}: map them as before"
                )


def _part(path: Path) -> Part:
    first, _, last = path.name.removesuffix(SUFFIX).partition("_")
    ends = StreamId.parse(first), StreamId.parse(last)
    if ends[0] is None or ends[1] is None:
        raise RunFolderError(
            f"{path.parent}: expected only what was collected, got {path.name}: collect into another folder, and "
            "name this one with --base"
        )
    return Part(path, ends[0], ends[1])
