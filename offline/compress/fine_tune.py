"""A short training after a cut: the cut network learns to rank as it did before."""

import copy
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from model.query_tower import QueryTower
from offline.dataset.histories import Histories
from offline.errors import TrainingError
from offline.training.batches import Batch, SetBatch
from offline.training.step_loss import queries_of
from offline.training.steps import count_batches, training_batches
from offline.training.trained import Trained

MOST_STEPS = 100
RATE_SHARE = 0.25
"""The largest step, as a share of training's."""
WINDOWS = 64
"""Histories a step."""
QUERIES = 512
"""Positions in them that ask."""
ITEMS = 16_384
"""Items that they are asked about at most; of more, so many are drawn a step."""
_LONGEST_GRADIENT = 5.0
_WARM_UP_SHARE = 0.1
_LEAST_RATE = 0.02  # of the learning rate, at the end of the cosine

Step = Callable[[int, int], None]
"""Called as `step(done, steps)`."""


def fine_tune(
    cut: Trained, whole: Trained, histories: Histories, *, device: torch.device, step: Step | None = None
) -> Trained:
    r"""The cut network after at most an epoch, and at most `MOST_STEPS` steps, of distillation (Hinton et al. 2015).

    The loss is the cross-entropy of the softmax over items between the network before the cut and after it,
    :math:`-\sum_i p_i \log p'_i`. The held-out items that training learns from would draw the network on along a way
    that early stopping has ended: they cost more by overfitting than the cut. The item tower is held still, so that
    its vectors are computed once. The recipe is fixed and looks at nobody's validation, so that it suits a network
    that was trained on all there is.

    Args:
        cut: the network to train; it is left as it is.
        whole: the network before the cut.
        histories: events that may train.
        step: told of every step.

    Raises:
        TrainingError: the loss is not a number.
    """
    settings = cut.settings
    network = copy.deepcopy(cut.network).to(device).eval()  # without dropout, as the network that it follows
    teacher = copy.deepcopy(whole.network.queries).to(device).eval()
    graph, known = cut.graph.to(device), cut.known.to(device)
    with torch.no_grad():
        wide = network.wide_vectors(graph, known)
    parameters = [value for name, value in network.named_parameters() if not name.startswith("items.")]
    rate = settings.learning_rate * RATE_SHARE
    optimizer = torch.optim.AdamW(parameters, lr=rate, betas=(0.9, 0.98), weight_decay=0.0)
    rng = np.random.default_rng([settings.seed, 1])
    frequency = event_counts(histories, graph.items)
    steps = min(MOST_STEPS, count_batches(histories, settings))
    for done, batch in zip(range(steps), training_batches(histories, settings, rng), strict=False):
        for group in optimizer.param_groups:
            group["lr"] = rate * _schedule(done / steps)
        some = _part_of(batch, rng).to(device)
        rows = _asked_items(frequency, rng).to(device)
        with torch.no_grad():
            teacher_shares = torch.softmax(_scores(teacher, *wide, some, rows), dim=1)
        log_shares = torch.log_softmax(_scores(network.queries, *network.narrowed(*wide), some, rows), dim=1)
        loss = -(teacher_shares * log_shares).sum(dim=1).mean()
        if not torch.isfinite(loss):
            raise TrainingError(f"the loss is {loss.item()} at step {done} of fine-tuning: lower --learning-rate")
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(parameters, _LONGEST_GRADIENT)
        optimizer.step()
        if step:
            step(done + 1, steps)
    return replace(cut, network=network.cpu().requires_grad_(True))


def _part_of(batch: Batch | SetBatch, rng: np.random.Generator) -> Batch | SetBatch:
    """Some of the histories of a batch, and some of the positions that ask in them."""
    if isinstance(batch, SetBatch):
        return _some_sets(batch, rng)
    size, asking = len(batch.rows), batch.ages.shape[1]
    lines = np.sort(rng.permutation(size)[:WINDOWS])
    place = np.full(size, -1)
    place[lines] = np.arange(len(lines))
    query_rows = batch.query_positions.numpy()
    query_rows = query_rows[place[query_rows // asking] >= 0]
    query_rows = rng.permutation(query_rows)[:QUERIES]
    chosen = torch.from_numpy(lines)
    return replace(
        batch,
        rows=batch.rows[chosen],
        types=batch.types[chosen],
        ages=batch.ages[chosen],
        query_positions=torch.from_numpy(place[query_rows // asking] * asking + query_rows % asking),
    )


def _some_sets(batch: SetBatch, rng: np.random.Generator) -> SetBatch:
    lines = np.sort(rng.permutation(len(batch.first))[:QUERIES])
    ends = np.append(batch.first.numpy(), len(batch.rows))
    lengths = np.diff(ends)[lines]
    first = np.cumsum(lengths) - lengths
    place = torch.from_numpy(np.arange(lengths.sum()) + np.repeat(ends[lines] - first, lengths))
    return replace(batch, rows=batch.rows[place], types=batch.types[place], first=torch.from_numpy(first))


def _scores(tower: QueryTower, units: Tensor, lengths: Tensor, batch: Batch | SetBatch, rows: Tensor) -> Tensor:
    """`[asked, rows]`."""
    queries = queries_of(tower, units, batch)
    scores: Tensor = queries @ (units[rows] * lengths[rows, None]).T
    return scores


def _asked_items(frequency: Tensor, rng: np.random.Generator) -> Tensor:
    """Item rows without row 0: all of them, or as many as `ITEMS`, drawn half by frequency and half uniformly."""
    items = len(frequency)
    if items - 1 <= ITEMS:
        return torch.arange(1, items)
    seen = frequency[1:].double().numpy()
    drawn = rng.choice(items - 1, size=ITEMS // 2, p=seen / seen.sum())
    return torch.from_numpy(1 + np.unique(np.concatenate([drawn, rng.integers(0, items - 1, ITEMS // 2)])))


def _schedule(done: float) -> float:
    """A short rise, then half a cosine."""
    cosine = 0.5 * (1 + math.cos(math.pi * done))
    return min(1.0, (done + 0.01) / _WARM_UP_SHARE) * (_LEAST_RATE + (1 - _LEAST_RATE) * cosine)


def event_counts(histories: Histories, items: int) -> Tensor:
    """`[items]` float, events on each item."""
    return torch.from_numpy(np.bincount(histories.rows, minlength=items)).float()
