"""Fit the ranker's weights to examples, and score examples with them."""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from app.artifact.rank_features import FEATURES
from model.ranker import Ranker, chain_loss, listwise_loss
from offline.errors import TrainingError
from offline.evaluation.candidate_examples import Examples
from offline.evaluation.metrics import Metric
from offline.ranking.list_metric import list_metric

SCORE = FEATURES.index("score")
EPOCHS = 15
HIDDEN = (64, 32)
_BATCH = (8, 64)  # lists a step, at least and at most
_LEAST_STEPS = 40  # an epoch, where there are lists enough
_LEARNING_RATE = 2e-3
_RISE = 0.1  # of the steps, in which the learning rate rises
_WEIGHT_DECAY = 1e-2
_SCORED_AT_ONCE = 50_000
_SUMMED_AT_ONCE = 20_000
_MUTE = 1e30
"""The spread of a feature that is to have no say: whatever it is when served, over this it is nothing."""


@dataclass(frozen=True)
class FittedRanker:
    """Weights, and how they came about."""

    ranker: Ranker
    history: list[dict[str, Any]]  # epoch, loss, value and chain loss on the examples that choose
    epochs: tuple[int, int]  # of which the order and the chain are; 0 is before any training
    values: NDArray[np.float64]  # [epochs + 1, lists] the metric of every list that chose, before and after each epoch


def fit_ranker(
    examples: Examples,
    seed: int,
    *,
    metric: Metric,
    check: Examples | None = None,
    epochs: tuple[int, int] | None = None,
    most_epochs: int = EPOCHS,
    mute: Sequence[int] = (),
    tell: Callable[[int, float], None] | None = None,
) -> FittedRanker:
    """Order and chain, each of the epoch that does best on `check`, or without it of the given epochs.

    They share no weights, so that each can stop where it is best.

    Args:
        examples: to learn from.
        metric: measured on `check`.
        check: chooses the epochs: of the order by the metric, of the chain by its loss.
        epochs: of order and chain where nobody chooses; `most_epochs` if left out.
        most_epochs: of the schedule.
        mute: features that have no say, here and when served.
        tell: told of the epoch that begins, and of the best value so far.

    Raises:
        TrainingError: the loss is not a number.
    """
    with _one_thread():
        return _fit(examples, seed, metric, check, epochs or (most_epochs, most_epochs), most_epochs, mute, tell)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Layers this small are done before a second thread has begun, which then burns a core waiting."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@dataclass
class _Best:
    """The weights of order and chain at their best epochs, and the values that they had."""

    weights: dict[str, torch.Tensor]
    values: list[NDArray[np.float64]] = field(default_factory=list)  # of the lists that choose, by epoch
    order_value: float = -1.0
    chain_loss: float = np.inf
    order_epoch: int = 0
    chain_epoch: int = 0

    def measure(self, ranker: Ranker, check: Examples, metric: Metric) -> tuple[float, float, bool, bool]:
        """Value and chain loss on `check`, and whether each is the best so far."""
        values, chain_loss = _check(ranker, check, metric)
        self.values.append(values)
        value = float(values.mean())
        better, chain_better = value > self.order_value, chain_loss < self.chain_loss
        self.order_value, self.chain_loss = max(self.order_value, value), min(self.chain_loss, chain_loss)
        return value, chain_loss, better, chain_better

    def keep(self, ranker: Ranker, epoch: int, *, order: bool, chain: bool) -> None:
        """Take the weights of the order, of the chain, or of both."""
        for name, tensor in ranker.state_dict().items():
            if chain if name.startswith("chain") else order:
                self.weights[name] = tensor.clone()
        self.order_epoch = epoch if order else self.order_epoch
        self.chain_epoch = epoch if chain else self.chain_epoch


def _fit(
    examples: Examples,
    seed: int,
    metric: Metric,
    check: Examples | None,
    epochs: tuple[int, int],
    most_epochs: int,
    mute: Sequence[int],
    tell: Callable[[int, float], None] | None,
) -> FittedRanker:
    torch.manual_seed(seed)
    ranker = _initial_ranker(examples, mute)
    optimizer = torch.optim.AdamW(ranker.parameters(), lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY)
    positive = examples.target | examples.happened.any(axis=1)
    useful = np.flatnonzero(np.bincount(examples.lines()[positive], minlength=len(examples)))
    batch = int(np.clip(len(useful) // _LEAST_STEPS, *_BATCH))
    steps = max(1, -(-len(useful) // batch))
    total = steps * most_epochs + 1
    # A rise that ends with the first step would be divided by its length, which is 0.
    rise = _RISE if _RISE * total > 1 else min(1.0, 2 / total)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _LEARNING_RATE, total_steps=total, pct_start=rise)
    rng = np.random.default_rng([seed, 12])
    best = _Best(copy.deepcopy(ranker.state_dict()))
    if check is not None:
        best.measure(ranker, check, metric)
    history: list[dict[str, Any]] = []
    for epoch in range(1, (most_epochs if check is not None else max(epochs)) + 1):
        if tell is not None:
            tell(epoch, best.order_value)
        loss = _epoch(ranker, examples, useful[rng.permutation(len(useful))], batch, optimizer, schedule.step)
        entry: dict[str, Any] = {"epoch": epoch, "loss": loss}
        better, chain_better = epoch <= epochs[0], epoch <= epochs[1]
        if check is not None:
            value, chain_value, better, chain_better = best.measure(ranker, check, metric)
            entry |= {"value": value, "chain_loss": chain_value}
        history.append(entry)
        best.keep(ranker, epoch, order=better, chain=chain_better)
    ranker.load_state_dict(best.weights)
    return FittedRanker(ranker.eval(), history, (best.order_epoch, best.chain_epoch), np.array(best.values))


def _check(ranker: Ranker, check: Examples, metric: Metric) -> tuple[NDArray[np.float64], float]:
    """The metric of the order of each list, and the chain's loss a list."""
    order, chain = score_candidates(ranker, check.features)
    loss = chain_loss(torch.from_numpy(chain), torch.from_numpy(check.happened)).item() / len(check)
    return list_metric(metric, check, order), loss


@torch.no_grad()
def score_candidates(
    ranker: Ranker, features: NDArray[np.float32], *, mute: Sequence[int] = ()
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Order `[candidates]` and log-odds of the chain `[candidates, links]`; columns of `mute` are at their mean."""
    ranker.eval()
    columns = list(mute)
    orders, chains = [], []
    for start in range(0, len(features), _SCORED_AT_ONCE):
        part = torch.from_numpy(features[start : start + _SCORED_AT_ONCE])
        if columns:
            part = part.clone()
            part[:, columns] = ranker.mean[columns]
        order, chain = ranker(part)
        orders.append(order)
        chains.append(chain)
    return torch.cat(orders).numpy(), torch.cat(chains).numpy()


def _spread(features: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of each column, part by part: in higher precision the whole is twice as large."""
    parts = [slice(start, start + _SUMMED_AT_ONCE) for start in range(0, len(features), _SUMMED_AT_ONCE)]
    mean = sum((features[part].sum(axis=0, dtype=np.float64) for part in parts), np.zeros(features.shape[1]))
    mean /= max(len(features), 1)
    squares = sum((np.square(features[part] - mean).sum(axis=0) for part in parts), np.zeros(features.shape[1]))
    return mean, np.sqrt(squares / max(len(features), 1))


def _initial_ranker(examples: Examples, mute: Sequence[int]) -> Ranker:
    """A ranker that orders as retrieval does, and takes every candidate to be as likely as all are on average."""
    middle, deviation = _spread(examples.features)
    mean, spread = middle.astype(np.float32), np.maximum(deviation, 1e-3).astype(np.float32)
    mean[list(mute)], spread[list(mute)] = 0.0, _MUTE
    counts = examples.happened.sum(axis=0) + 1.0
    before = np.concatenate([[len(examples.rows) + 2.0], counts[:-1] + 1.0])
    odds = np.log(counts / np.maximum(before - counts, 0.5))
    return Ranker(
        torch.from_numpy(mean),
        torch.from_numpy(spread),
        HIDDEN,
        torch.from_numpy(odds.astype(np.float32)),
        base=SCORE,
        base_weight=float(spread[SCORE]),
    )


def _epoch(
    ranker: Ranker,
    examples: Examples,
    lists: NDArray[np.int64],
    batch: int,
    optimizer: torch.optim.Optimizer,
    step_rate: Callable[[], None],
) -> float:
    ranker.train()
    total = 0.0
    for start in range(0, len(lists), batch):
        part = examples.take(lists[start : start + batch])
        order, chain = ranker(torch.from_numpy(part.features))
        by_order = listwise_loss(order, torch.from_numpy(part.lines()), len(part), torch.from_numpy(part.target))
        by_chain = chain_loss(chain, torch.from_numpy(part.happened))
        loss = (by_order + by_chain) / len(part)
        if not torch.isfinite(loss):
            raise TrainingError(f"the ranker's loss is {loss.item()}: train with another --seed, and report it")
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        step_rate()
        total += loss.item() * len(part)
    return total / max(1, len(lists))
