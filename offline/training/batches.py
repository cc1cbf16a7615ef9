"""Training batches: next items of ordered histories, or the items of unordered ones."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from app.artifact.event_features import age_buckets
from model.losses import Targets
from offline.dataset.histories import Histories

MANY_WINDOWS = 100_000
_SORTED_BATCHES, _MOST_SORTED_BATCHES = 8, 64
"""Batches whose windows are sorted by length together, so that little of a batch is padding; of `MANY_WINDOWS`, more.
The padding of the longest ones was as much as all events."""


@dataclass(frozen=True)
class Batch:
    """Windows of histories, and what the positions that ask should find."""

    rows: Tensor  # [batch, window] int64
    types: Tensor  # [batch, window] int64
    ages: Tensor  # [batch, user_lines, window] int64
    query_positions: Tensor  # [queries] flat places in [batch * user_lines] that have a target
    targets: Targets  # by place in `query_positions`

    def to(self, device: torch.device) -> "Batch":
        """The same batch on a device."""
        return Batch(
            self.rows.to(device),
            self.types.to(device),
            self.ages.to(device),
            self.query_positions.to(device),
            self.targets.to(device),
        )


@dataclass(frozen=True)
class SetBatch:
    """Histories without order, one after the other, and what each should find."""

    rows: Tensor  # [events] int64
    types: Tensor  # [events] int64
    first: Tensor  # [queries] where each history begins
    targets: Targets

    def to(self, device: torch.device) -> "SetBatch":
        """The same batch on a device."""
        return SetBatch(self.rows.to(device), self.types.to(device), self.first.to(device), self.targets.to(device))


def ordered_batches(
    histories: Histories,
    window: int,
    size: int,
    *,
    hide_seen: bool,
    timed: bool,
    rng: np.random.Generator,
    share: slice = slice(None),
) -> Iterator[Batch]:
    """Every event but the first of a user is once the target of the events before it.

    Args:
        histories: whose events are learned.
        window: events read at most.
        size: windows a batch.
        hide_seen: leave out targets that the window already holds, since the ranking will hide them.
        timed: whether events have times; without, all ages are unknown.
        rng: draws the order.
        share: which windows of each batch to make, perhaps none.
    """
    first, last = _chunks(histories, window)
    for batch in _grouped(last - first, size, rng):
        chosen = batch[share]
        yield _ordered_batch(histories, first[chosen], last[chosen], hide_seen=hide_seen, timed=timed)


def count_ordered(histories: Histories, window: int, size: int) -> int:
    """How many batches an epoch of `ordered_batches` has."""
    return -(-len(_chunks(histories, window)[0]) // size)


def _chunks(histories: Histories, window: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and last flat place of each window; the targets are the places after the first."""
    first, last = [], []
    start, end = histories.offsets[:-1], histories.offsets[1:] - 1
    while len(end):
        kept = end > start
        start, end = start[kept], end[kept]
        first.append(np.maximum(start, end - window))
        last.append(end)
        end = first[-1]
    return np.concatenate(first or [np.zeros(0, np.int64)]), np.concatenate(last or [np.zeros(0, np.int64)])


def _grouped(lengths: NDArray[np.int64], size: int, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    order = rng.permutation(len(lengths))
    together = size * (_SORTED_BATCHES if len(lengths) < MANY_WINDOWS else _MOST_SORTED_BATCHES)
    batches = []
    for start in range(0, len(order), together):
        group = order[start : start + together]
        group = group[np.argsort(lengths[group], kind="stable")]
        batches += [group[place : place + size] for place in range(0, len(group), size)]
    return [batches[place] for place in rng.permutation(len(batches))]


def _ordered_batch(
    histories: Histories, first: NDArray[np.int64], last: NDArray[np.int64], *, hide_seen: bool, timed: bool
) -> Batch:
    longest = int((last - first).max(initial=1))
    place = last[:, None] - longest + np.arange(longest)[None, :]  # of the inputs; a target is one place further
    present = place >= first[:, None]
    rows, types, times = histories.take(place, present)
    targets, _, when = histories.take(place + 1, present)
    if hide_seen:
        earlier = np.tril(np.ones((longest, longest), dtype=bool))[None]
        present = present & ~((rows[:, None, :] == targets[:, :, None]) & earlier).any(axis=2)
    positions = np.flatnonzero(present)
    if timed:
        ages = age_buckets(times[:, None, :], when[:, :, None])
    else:
        ages = np.zeros((len(rows), longest, longest), dtype=np.int64)
    return Batch(
        rows=torch.from_numpy(rows.astype(np.int64)),
        types=torch.from_numpy(types.astype(np.int64)),
        ages=torch.from_numpy(ages),
        query_positions=torch.from_numpy(positions),
        targets=Targets(
            torch.arange(len(positions)),
            torch.from_numpy(targets.ravel()[positions].astype(np.int64)),
            torch.ones(len(positions)),
        ),
    )


def unordered_batches(
    histories: Histories, size: int, *, rng: np.random.Generator, share: slice = slice(None)
) -> Iterator[SetBatch]:
    """Each user's whole history asks for all of its own items; a user weighs the root of the history's length.

    The softmax over all items, the few numbers of a vector and the graph keep an item from merely finding itself;
    to read a drawn part and ask for the rest ranks worse.

    Args:
        histories: whose events are learned.
        size: users a batch.
        rng: draws the order.
        share: which users of each batch to read, perhaps none.
    """
    for batch in _grouped_users(histories, size, rng):
        yield _unordered_batch(histories, batch[share])


def count_unordered(histories: Histories, size: int) -> int:
    """How many batches an epoch of `unordered_batches` has."""
    return -(-int((histories.lengths >= 2).sum()) // size)


def _grouped_users(histories: Histories, size: int, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    users = np.flatnonzero(histories.lengths >= 2)
    return [users[group] for group in _grouped(histories.lengths[users], size, rng)]


def _unordered_batch(histories: Histories, users: NDArray[np.int64]) -> SetBatch:
    lengths = histories.lengths[users]
    line = np.repeat(np.arange(len(users)), lengths)
    first = np.cumsum(lengths) - lengths
    place = np.arange(len(line)) + (histories.offsets[users] - first)[line]
    rows = torch.from_numpy(histories.rows[place].astype(np.int64))
    weight = torch.from_numpy(lengths**-0.5)[line].float()
    return SetBatch(
        rows=rows,
        types=torch.from_numpy(histories.types[place].astype(np.int64)),
        first=torch.from_numpy(first),
        targets=Targets(torch.from_numpy(line), rows, weight),
    )
