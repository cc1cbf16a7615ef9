"""The events of a split, as its parts hold them."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from offline.dataset.histories import Histories, histories_of
from offline.dataset.split_meta import read_split_meta


def read_parts(split: Path, parts: Sequence[str], columns: Sequence[str] | None = None) -> pl.DataFrame:
    """The rows of some parts, one part after another, each sorted by (user, order).

    Args:
        split: folder of the split.
        parts: train, valid, context or test.
        columns: to read; all by default.
    """
    names = None if columns is None else list(columns)
    return pl.concat([pl.read_parquet(split / f"{part}.parquet", columns=names) for part in parts])


def read_events(split: Path, parts: Sequence[str], columns: Sequence[str] | None = None) -> pl.DataFrame:
    """As `read_parts`, but sorted by (user, order) over all parts; `columns` include these two."""
    events = read_parts(split, parts, columns)
    return events if len(parts) == 1 else events.sort("user", "order")


def read_histories(split: Path, parts: Sequence[str]) -> Histories:
    """Each user's events of some parts on items of the vocabulary, oldest first."""
    return histories_of(read_parts(split, parts), read_split_meta(split).n_users)
