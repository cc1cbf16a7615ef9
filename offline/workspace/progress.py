"""How long work reports how far it is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

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


class Times(Protocol):
    """How long the whole run has taken, and about how long the rest takes."""

    def elapsed_s(self) -> float:
        """Seconds so far, with those of calls before this one."""
        ...

    def left_s(self) -> float | None:
        """Seconds to come, about; None where that is not known yet."""
        ...


def silent(done: int, total: int, what: str) -> None:
    """The `Progress` that reports nothing."""
    del done, total, what
