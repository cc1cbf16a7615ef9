"""About how long each stage takes, from the sizes of the data: rules measured on two cores, good to a factor of two."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from offline.dataset.reading import find_files
from offline.dataset.spec import DatasetSpec
from offline.dataset.split_meta import META_FILE, read_split_meta
from offline.errors import RunFolderError
from offline.tables.sources import container_of

_BYTES_A_ROW: Final = {"events": 60, "items": 300}  # of text
_PACKED: Final = 5  # times smaller
_EVENTS_A_USER: Final = 10
_SCORED: Final = 40_000  # items, at most


@dataclass(frozen=True)
class Sizes:
    """How much there is."""

    events: int
    items: int
    users: int


STAGES_S: Final[Mapping[str, Callable[[Sizes], float]]] = {
    "ingest": lambda size: 0.5 + size.events / 400_000 + size.items / 40_000,
    "split": lambda size: 0.2 + size.events / 1_000_000 + size.items / 150_000,
    "graph": lambda size: 0.5 + size.events / 200_000 + size.items / 11_000,
    "train": lambda size: 10 + size.items / 20_000 + _epochs(size) * _epoch_s(size),
    "compress": lambda size: min(20 + 12 * min(size.users, 20_000) * size.items / 5e7, _longest_search_s(size)),
    "rank": lambda size: 8 + size.items / 1_200 + min(size.users, 15_000) / 200 if size.events else 0.1,
    "refit": lambda size: 5 + size.items / 7_000 + 0.4 * _epochs(size) * _epoch_s(size) if size.events else 0.1,
    "export": lambda size: 5 + size.items / 1_500 + size.users / 20_000,
    "evaluate": lambda size: 2 + size.items / 10_000 + min(size.users, 10_000) * (0.004 + size.items / 2e8),
    "serve": lambda size: 5 + size.items / 5_000 + size.users / 20_000,
    "report": lambda size: 1.5 + size.events / 5_000_000,
}
"""Seconds by stage. Without events nobody validates, and nothing is ranked or refitted."""
LEAST_S: Final[Mapping[str, Callable[[Sizes], float]]] = {
    "train": lambda size: 2 + size.events / 400_000 + size.items / 15_000,
    "compress": lambda size: 5 + size.items / 20_000,
    "rank": lambda size: 6 + size.items / 1_200 if size.events else 0.1,
    "refit": lambda size: 2 + size.events / 150_000 + size.items / 7_000 if size.events else 0.1,
}
"""Seconds that one pass of a stage takes: reading, one step of training, one export, one list."""


def _epochs(size: Sizes) -> float:
    return min(max(1_000_000 / max(size.events, 1), 1), 8)


def _epoch_s(size: Sizes) -> float:
    """By the items that are scored, and by those beyond that messages reach, which every step computes."""
    steps, reached = size.events / 6_000, min(size.items, size.events / 3)
    return size.events * min(size.items, _SCORED) / 3e8 + steps * max(reached - _SCORED, 0) * 1.2e-5


def _longest_search_s(size: Sizes) -> float:
    """Without a budget, half of what training takes, and five minutes at least."""
    return max(300.0, STAGES_S["train"](size) / 2)


def sizes_of(spec: DatasetSpec, split: Path) -> Sizes:
    """The sizes of a data set: of its split where there is one, else about, from its files."""
    if (split / META_FILE).exists():
        with suppress(ValueError, RunFolderError):  # the stage that reads it says what is wrong with it
            meta = read_split_meta(split)
            return Sizes(sum(part.events for part in meta.counts.values()), meta.n_items, meta.n_users)
    events = _rows(spec, "events")
    return Sizes(events, _rows(spec, "items") or max(events // 20, 1), max(events // _EVENTS_A_USER, 1))


def _rows(spec: DatasetSpec, name: str) -> int:
    table = getattr(spec, name)
    if table is None:
        return 0
    files = {container_of(path)[0] for path in find_files(spec.root, table.names, "") if "://" not in path}
    return sum(_rows_of_file(path, _BYTES_A_ROW[name]) for path in files)


def _rows_of_file(path: Path, row_bytes: int) -> int:
    if path.suffix == ".parquet":
        try:
            return int(pl.scan_parquet(path).select(pl.len()).collect().item())
        except (pl.exceptions.PolarsError, OSError):  # ingest says what is wrong with it
            pass
    size = path.stat().st_size
    return int(size * (_PACKED if path.suffix in (".gz", ".parquet", ".zip", ".xlsx", ".ods") else 1) / row_bytes)
