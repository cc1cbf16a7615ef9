"""Whether what is learned from lies before what is asked for, by the times of the rows and not by how they were cut."""

from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from offline.dataset.split_events import read_parts
from offline.evaluation.protocol import KNOWN_PARTS

NOT_CAUSAL = (
    "the cut is not by time: events of other users after a held-out one were counted and learned from, which flatters "
    "whatever links events that lie close in time; split by time:0.8 for figures that only know the past"
)
MOST_LATER: Final = 0.001
"""Of what is learned from, the share that happened after a target, in the mean over targets: clocks differ a little."""


def causality_notes(split: Path, part: str) -> list[str]:
    """`NOT_CAUSAL` where the targets of a part lie among what is learned from; a split column may well cut by time.

    Without times of targets nobody can tell, and it is said too.
    """
    later = share_later(split, part)
    return [NOT_CAUSAL] if later is None or later > MOST_LATER else []


def share_later(split: Path, part: str) -> float | None:
    """The share of the known events with a time that happened after a target, in the mean over the targets of a part;
    None where either have no times."""
    known = read_parts(split, KNOWN_PARTS[part], ("time",)).get_column("time").drop_nulls().drop_nans()
    held = read_parts(split, (part,), ("time", "target")).filter("target").get_column("time")
    targets = held.drop_nulls().drop_nans()
    if not len(known) or not len(targets):
        return None
    ascending = np.sort(known.cast(pl.Float64).to_numpy())
    before = np.searchsorted(ascending, targets.cast(pl.Float64).to_numpy(), side="right")
    return float(1.0 - before.mean() / len(ascending))
