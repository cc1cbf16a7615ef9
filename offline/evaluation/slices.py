"""Figures of parts of the scored: users by how much is known of them, targets by how popular or new they are."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.artifact.columns import offsets_of
from app.artifact.names import PADDING_ROW
from offline.evaluation.figures import Figures, flat, lifts, means_of_all
from offline.evaluation.metrics import Metric, table_of
from offline.evaluation.protocol import Cases, RowLists

COLD_USERS = "users with 0-1 events"
HISTORY_LENGTHS = {
    COLD_USERS: (0, 1),
    "users with 2-4 events": (2, 4),
    "users with 5-19 events": (5, 19),
    "users with 20+ events": (20, None),
}
CONTEXT_USERS = "users known by context only"
BANDS = ("targets on cold items", "targets on tail items", "targets on middle items", "targets on head items")
SEEN, UNSEEN = "targets seen before", "targets not seen before"
HEAD_SHARE = 0.2
"""Head items make the first 20 % of the events, tail items the last 20 %."""


@dataclass(frozen=True)
class Slice:
    """Some of the targets; users without any of them are left out."""

    group: str  # history, context, popularity or seen
    name: str
    kept: NDArray[np.bool_]  # beside `cases.targets.rows`


def slices_of(cases: Cases, counts: NDArray[np.integer]) -> Iterator[Slice]:
    """All slices, empty ones too. Targets outside the vocabulary are in the slices of users alone.

    Args:
        cases: who is scored; a history counts context, since the service would know it.
        counts: events of each item row before the cut, `[items + 1]`.
    """
    lines, rows = cases.targets.lines(), cases.targets.rows
    lengths = cases.history.lengths()
    for name, (least, most) in HISTORY_LENGTHS.items():
        inside = (lengths >= least) & (lengths <= (np.inf if most is None else most))
        yield Slice("history", name, inside[lines])
    yield Slice("context", CONTEXT_USERS, ((lengths > 0) & (lengths == cases.context))[lines])
    known = rows != PADDING_ROW
    band = popularity_bands(counts)
    for place, name in enumerate(BANDS):
        yield Slice("popularity", name, known & (band[rows] == place))
    seen = is_seen(cases)
    yield Slice("seen", SEEN, known & seen)
    yield Slice("seen", UNSEEN, known & ~seen)


def popularity_bands(counts: NDArray[np.integer]) -> NDArray[np.int64]:
    """The band of each item row, `[items + 1]`: 0 no event, 1 tail, 2 middle, 3 head.

    Items stand in falling order of their events, ties by row. An item is of the head when those before it make less
    than `HEAD_SHARE` of all events, of the tail when those before it make `1 - HEAD_SHARE` or more.
    """
    order = np.argsort(-counts, kind="stable")
    before = np.cumsum(counts[order]) - counts[order]
    total = counts.sum()
    band = np.empty(len(counts), dtype=np.int64)
    band[order] = np.where(before < HEAD_SHARE * total, 3, np.where(before >= (1 - HEAD_SHARE) * total, 1, 2))
    band[counts == 0] = 0
    return band


def is_seen(cases: Cases) -> NDArray[np.bool_]:
    """Which targets are on an item of their user's history, beside `cases.targets.rows`."""
    history, targets = cases.history, cases.targets
    span = 1 + max(int(history.rows.max(initial=0)), int(targets.rows.max(initial=0)))
    return np.isin(targets.lines() * span + targets.rows, history.lines() * span + history.rows)


def slice_figures(
    metrics: list[Metric],
    rankings: Mapping[str, NDArray[np.integer]],
    cases: Cases,
    counts: NDArray[np.integer],
    rng: np.random.Generator,
) -> list[Figures]:
    """For each slice with anybody in it: `group`, `slice`, `n` users, `targets`, `metrics`, `ci95`, `baselines`.

    A metric looks at the targets of the slice alone. Of each baseline there are its figures and, for each metric,
    the bundle's `lift` over it.

    Args:
        metrics: of the data set.
        rankings: the bundle's first, then those of baselines, in rows of the split, `[n, depth]`.
        cases: who is scored.
        counts: events of each item row before the cut, `[items + 1]`.
        rng: source of the resamples.
    """
    ours, *others = rankings
    found = []
    for part in slices_of(cases, counts):
        users, targets = _taken(cases.targets, part.kept)
        if not len(users):
            continue
        tables = {name: table_of(metrics, ranked[users], targets) for name, ranked in rankings.items()}
        gains = {f"{ours} - {name}": tables[ours] - tables[name] for name in others}
        figures = means_of_all(metrics, tables | gains, rng)
        baselines = {name: {**flat(figures[name]), "lift": lifts(figures[f"{ours} - {name}"])} for name in others}
        counted = {"group": part.group, "slice": part.name, "n": len(users), "targets": len(targets.rows)}
        found.append({**counted, **figures[ours], "baselines": baselines})
    return found


def _taken(targets: RowLists, kept: NDArray[np.bool_]) -> tuple[NDArray[np.int64], RowLists]:
    """The users who keep a target, and their lists."""
    lengths = np.bincount(targets.lines()[kept], minlength=len(targets))
    users = np.flatnonzero(lengths)
    offsets = offsets_of(lengths[users])
    return users, RowLists(offsets, targets.rows[kept])
