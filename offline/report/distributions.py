"""How the events are spread: over users, over items, over time."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from app.artifact.behaviours import BEHAVIOUR_NAMES

SPANS = 60


@dataclass(frozen=True)
class OverTime:
    """Counts of events in spans of equal length."""

    first: float  # unix seconds
    last: float
    starts: NDArray[np.float64]  # [spans] unix seconds
    counts: dict[str, NDArray[np.int64]]  # for each behaviour [spans]


@dataclass(frozen=True)
class Distributions:
    """Of all kept events, held-out ones too. A histogram is `[points, 2]`: events, and how many have so many."""

    by_behaviour: dict[str, int]
    users: NDArray[np.int64]
    items: NDArray[np.int64]
    over_time: OverTime | None  # None without a clock, or when all happened at once


def distributions_of(ingested: Path) -> Distributions | None:
    """The distributions of the ingested events; None when there are none. Only counts are held in memory."""
    path = ingested / "events.parquet"
    if not path.exists():
        return None
    events = pl.scan_parquet(path)
    by_type = dict(events.group_by("type").len().sort("type").collect(engine="streaming").iter_rows())
    if not by_type:
        return None
    return Distributions(
        by_behaviour={BEHAVIOUR_NAMES.get(code, str(code)): number for code, number in by_type.items()},
        users=_histogram(events, "user_id"),
        items=_histogram(events, "item_id"),
        over_time=_over_time(events),
    )


def _histogram(events: pl.LazyFrame, column: str) -> NDArray[np.int64]:
    counted = events.group_by(column).agg(pl.len().alias("events")).group_by("events").agg(pl.len().alias("of"))
    return counted.sort("events").collect(engine="streaming").to_numpy().astype(np.int64)


def _over_time(events: pl.LazyFrame) -> OverTime | None:
    dated = events.filter(pl.col("time").is_not_null())
    ends = dated.select(pl.col("time").min().alias("first"), pl.col("time").max().alias("last"))
    first, last = ends.collect(engine="streaming").row(0)
    if first is None or not last > first:
        return None
    length = (last - first) / SPANS
    span = ((pl.col("time") - first) / length).floor().clip(0, SPANS - 1).cast(pl.Int64).alias("span")
    counted = dated.group_by("type", span).len().collect(engine="streaming")
    counts = {}
    for (code,), rows in sorted(counted.group_by("type")):
        values = np.zeros(SPANS, dtype=np.int64)
        values[rows["span"].to_numpy()] = rows["len"].to_numpy()
        counts[BEHAVIOUR_NAMES.get(int(str(code)), str(code))] = values
    return OverTime(first, last, first + length * np.arange(SPANS), counts)
