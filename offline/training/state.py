"""How far a training is: what a checkpoint holds besides tensors."""

import math
from dataclasses import dataclass, field
from typing import Any


@dataclass
class TrainState:
    """Counts, the best value so far, and the history of epochs."""

    epoch: int = 0
    step: int = 0
    best: float = -math.inf
    since_best: int = 0
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The state as a checkpoint holds it."""
        return dict(vars(self))
