"""How far a training is, as a progress bar can show it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainProgress:
    """What a progress bar can show."""

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    metric: str
    value: float | None  # of the metric after the last whole epoch
