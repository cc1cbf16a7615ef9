"""How far each event stream is collected, written down beside the parts so that a killed collector loses nothing."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from offline.collecting.durable import write_whole
from offline.collecting.parts import Part
from offline.collecting.streams import ALONE, StreamId
from offline.errors import RunFolderError

POSITIONS_FILE: Final = "positions.json"


@dataclass(frozen=True, slots=True)
class Range:
    """The first and the last entry of a stream that were ever collected into a folder."""

    first: StreamId
    last: StreamId


class Positions:
    """The ranges that are collected, by partition.

    The file has the ranges before the newest part and those with it: which of them holds says whether that part is
    there. So what is collected and how far that is change in one step, the renaming of the part.

    Args:
        out: the folder of the data set.
        parts: those that are there. Where there is no file yet, their names say how far the one stream is collected
            that there was before there were partitions.

    Raises:
        RunFolderError: the file cannot be read.
    """

    def __init__(self, out: Path, parts: Iterable[Part]) -> None:
        self._path = out / POSITIONS_FILE
        self._ranges: dict[int, Range] = {}
        self._with_part: dict[int, Range] = {}
        parts = list(parts)
        if self._path.is_file():
            stored = self._read()
            is_there = stored["part"] in {part.path.name for part in parts}
            self._ranges = _ranges_of(stored["with_part" if is_there else "before"])
            return
        alone = [part for part in parts if part.first.partition == part.last.partition == ALONE]
        if alone:
            self._ranges[ALONE] = Range(min(part.first for part in alone), max(part.last for part in alone))

    def lasts(self) -> dict[int, StreamId]:
        """Return the last entry that is collected of each stream."""
        return {place: range_.last for place, range_ in self._ranges.items()}

    def covers(self, entry: StreamId) -> bool:
        """Return whether an entry lies within what is collected of its stream."""
        known = self._ranges.get(entry.partition)
        return known is not None and known.first <= entry <= known.last

    def has_passed(self, entry: StreamId) -> bool:
        """Return whether what is collected of a stream ends at an entry or behind it."""
        known = self._ranges.get(entry.partition)
        return known is not None and entry <= known.last

    def advance(self, entries: Iterable[StreamId], part: str) -> None:
        """Write down how far is collected once the part of that name, which has these entries, is there.

        Raises:
            RunFolderError: the file cannot be written.
        """
        after = dict(self._ranges)
        for entry in entries:
            known = after.get(entry.partition, Range(entry, entry))
            after[entry.partition] = Range(min(known.first, entry), max(known.last, entry))
        stored = {"part": part, "before": _document_of(self._ranges), "with_part": _document_of(after)}
        text = json.dumps(stored) + "\n"
        write_whole(self._path, lambda partial: partial.write_text(text, encoding="utf-8"))
        self._with_part = after

    def commit(self) -> None:
        """Take over what `advance` wrote down: the part is there."""
        self._ranges = self._with_part

    def _read(self) -> dict[str, Any]:
        try:
            stored: dict[str, Any] = json.loads(self._path.read_text("utf-8"))
            for ranges in (stored["before"], stored["with_part"]):
                _ranges_of(ranges)
            stored["part"]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise RunFolderError(
                f"{self._path}: expected how far each stream was collected, got something else: restore it from a "
                "copy, or remove it; what is still in Redis is then read again, and no event is written twice"
            ) from error
        return stored


def _document_of(ranges: Mapping[int, Range]) -> dict[str, list[str]]:
    return {str(place): [str(range_.first), str(range_.last)] for place, range_ in ranges.items()}


def _ranges_of(document: Mapping[str, list[str]]) -> dict[int, Range]:
    ranges = {}
    for place, (first, last) in document.items():
        ends = StreamId.parse(first), StreamId.parse(last)
        if ends[0] is None or ends[1] is None:
            raise ValueError(f"expected two ids of entries, got {first} and {last}")
        ranges[int(place)] = Range(ends[0], ends[1])
    return ranges
