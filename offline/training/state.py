"""How far a training is: what a checkpoint holds besides tensors."""

import math
from dataclasses import dataclass, field
from typing import Any

LOSS = "loss"
"""The metric of a training that has nobody to validate on; the lower, the better."""


@dataclass
class TrainState:
    """Counts, the best value so far, and the history of epochs."""

    epoch: int = 0  # complete ones
    step: int = 0  # of the optimiser, in all
    epoch_step: int = 0  # of the epoch that is under way
    loss_sum: float = 0.0  # of its steps
    validation_users: int | None = None  # where a budget leaves no time for more
    best: float = -math.inf
    since_best: int = 0
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)

    def take(self, values: dict[str, Any]) -> None:
        """Become the state that `values` is of."""
        vars(self).update(values)

    def as_dict(self) -> dict[str, Any]:
        """The state as a checkpoint holds it."""
        return dict(vars(self))
