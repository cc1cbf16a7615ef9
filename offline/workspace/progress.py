"""How long work reports how far it is."""

from collections.abc import Callable
from dataclasses import dataclass

Progress = Callable[[int, int, str], None]
"""Called as `progress(done, total, what)`, with `done` from 0 to `total`."""


@dataclass(frozen=True)
class TrainProgress:
    """How far a training is."""

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    metric: str
    value: float | None  # of the metric after the last complete epoch


def silent(done: int, total: int, what: str) -> None:
    """The `Progress` that reports nothing."""
    del done, total, what
