"""The steps of an epoch: as many as histories and logged queries each need to be learned from once."""

from collections.abc import Iterator

import numpy as np

from offline.dataset.histories import Histories
from offline.training.batches import Batch, SetBatch, count_ordered, count_unordered, ordered_batches, unordered_batches
from offline.training.query_loss import QueryEvents
from offline.training.settings import TrainSettings


def count_steps(histories: Histories, queries: QueryEvents | None, settings: TrainSettings) -> int:
    """How many steps an epoch has; 0 where there is nothing to learn from.

    A history of one event asks for nothing, and yet a query may have led to it: a log of such people has the steps that
    its queries need.
    """
    by_queries = 0 if queries is None or not settings.query_batch else -(-len(queries) // settings.query_batch)
    return max(count_batches(histories, settings), by_queries)


def epoch_batches(
    histories: Histories,
    steps: int,
    settings: TrainSettings,
    rng: np.random.Generator,
    share: slice = slice(None),
) -> Iterator[Batch | SetBatch | None]:
    """The batch of histories of each of so many steps, each batch once and evenly between steps of queries alone.

    Args:
        histories: whose events are learned.
        steps: of the epoch.
        settings: how.
        rng: draws the order.
        share: which examples of each batch to make; the others are somebody else's.
    """
    batches, count = training_batches(histories, settings, rng, share), count_batches(histories, settings)
    for step in range(steps):
        has_histories = (step + 1) * count // steps > step * count // steps
        yield next(batches) if has_histories else None


def count_batches(histories: Histories, settings: TrainSettings) -> int:
    """How many batches an epoch of `training_batches` has."""
    if settings.ordered:
        return count_ordered(histories, settings.window, settings.batch)
    return count_unordered(histories, settings.batch)


def training_batches(
    histories: Histories, settings: TrainSettings, rng: np.random.Generator, share: slice = slice(None)
) -> Iterator[Batch | SetBatch]:
    """One epoch, in an order that `rng` draws; of each batch a share."""
    if settings.ordered:
        return ordered_batches(
            histories,
            settings.window,
            settings.batch,
            hide_seen=settings.hide_seen,
            timed=settings.timed,
            rng=rng,
            share=share,
        )
    return unordered_batches(histories, settings.batch, rng=rng, share=share)
