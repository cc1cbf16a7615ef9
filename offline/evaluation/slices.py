"""Figures of parts of the scored: users by how much is known of them, targets by how popular or new they are."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.artifact.columns import offsets_of
from app.artifact.names import PADDING_ROW
from offline.evaluation.document import SliceBaseline, SliceFigures
from offline.evaluation.figures import lifts_of, means_of_all
from offline.evaluation.metrics import Metric, table_of
from offline.evaluation.protocol import Cases, RowLists

COLD_USERS = "users with 0-1 events"
HISTORY_LENGTHS = {
    COLD_USERS: (0, 1),
    "users with 2-4 events": (2, 4),
    "users with 5-19 events": (5, 19),
    "users with 20+ events": (20, None),
}
UNKNOWN_USERS = "users without any event"
"""Of whom nothing is known before the cut, and who get what is popular; they are among `COLD_USERS`, too."""
CONTEXT_USERS = "users known by context only"
BANDS = ("targets on cold items", "targets on tail items", "targets on middle items", "targets on head items")
SEEN, UNSEEN = "targets seen before", "targets not seen before"
HEAD_SHARE = 0.2
"""Head items make the first 20 % of the events, tail items the last 20 %."""


@dataclass(frozen=True)
class Slice:
    """Some of the targets; users without any of them are left out."""

    group: str  # history, unknown, context, popularity or seen
    name: str
    mask: NDArray[np.bool_]  # of each of `cases.targets.rows`, whether it belongs to the slice


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
    yield Slice("unknown", UNKNOWN_USERS, (lengths == 0)[lines])
    yield Slice("context", CONTEXT_USERS, ((lengths > 0) & (lengths == cases.context))[lines])
    known = rows != PADDING_ROW
    band = popularity_bands(counts)
    for index, name in enumerate(BANDS):
        yield Slice("popularity", name, known & (band[rows] == index))
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
    """Whether each of `cases.targets.rows` is on an item of its user's history."""
    history, targets = cases.history, cases.targets
    span = 1 + max(int(history.rows.max(initial=0)), int(targets.rows.max(initial=0)))
    return np.isin(targets.lines() * span + targets.rows, history.lines() * span + history.rows)


def slice_figures(
    metrics: list[Metric],
    rankings: Mapping[str, NDArray[np.int32]],
    cases: Cases,
    counts: NDArray[np.integer],
    rng: np.random.Generator,
) -> list[SliceFigures]:
    """The figures of each slice that has a user. A metric looks at the targets of the slice alone.

    Args:
        metrics: of the data set.
        rankings: the bundle's first, then those of baselines, in rows of the split, `[n, depth]`.
        cases: who is scored.
        counts: events of each item row before the cut, `[items + 1]`.
        rng: source of the resamples.
    """
    bundle, *baselines = rankings
    slices = []
    for part in slices_of(cases, counts):
        users, targets = _users_and_targets(cases.targets, part.mask)
        if not len(users):
            continue
        tables = {name: table_of(metrics, ranking[users], targets) for name, ranking in rankings.items()}
        gains = {f"{bundle} - {name}": tables[bundle] - tables[name] for name in baselines}
        figures = means_of_all(metrics, tables | gains, rng)
        slices.append(
            SliceFigures(
                group=part.group,
                name=part.name,
                n=len(users),
                targets=len(targets.rows),
                means=figures[bundle],
                baselines={
                    name: SliceBaseline(figures[name], lifts_of(figures[f"{bundle} - {name}"])) for name in baselines
                },
            )
        )
    return slices


def _users_and_targets(targets: RowLists, mask: NDArray[np.bool_]) -> tuple[NDArray[np.int64], RowLists]:
    """The users with a target inside the mask, and their lists of such targets."""
    lengths = np.bincount(targets.lines()[mask], minlength=len(targets))
    users = np.flatnonzero(lengths)
    offsets = offsets_of(lengths[users])
    return users, RowLists(offsets, targets.rows[mask])
