"""A temporary folder for what is made of files on the way to a table, and what is known of them meanwhile."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from offline.workspace.progress import Progress, silent


class Workplace:
    """Files made of a shop's files, and what is known of these, by name and state. Deleted when closed."""

    def __init__(self, progress: Progress = silent) -> None:
        self.progress = progress
        self.known: dict[tuple[str, ...], Any] = {}
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._number = 0

    def new_path(self, ending: str) -> Path:
        """The path of a file that does not exist yet."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="aisle-tables-")
        self._number += 1
        return Path(self._folder.name) / f"{self._number:06d}{ending}"

    def close(self) -> None:
        """Delete the folder, and forget."""
        self.known.clear()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None


_places: list[Workplace] = []


@contextmanager
def temporary_tables(progress: Progress | None = None) -> Iterator[None]:
    """What is made of files inside is kept until the end, and then deleted; inside another one, until the end of that.

    Frames of files made there cannot be collected afterwards.
    """
    if _places:
        yield
        return
    place = Workplace(progress or silent)
    _places.append(place)
    try:
        yield
    finally:
        _places.remove(place)
        place.close()


_rest = Workplace()


def workplace() -> Workplace:
    """The one of the innermost `temporary_tables`; outside of them one that is deleted when the process ends."""
    return _places[-1] if _places else _rest


def state_of(file: Path) -> tuple[str, ...]:
    """The name, size and time of change of a file: what is known of it holds while these are the same."""
    stat = file.stat()
    return (str(file), str(stat.st_size), str(stat.st_mtime_ns))
