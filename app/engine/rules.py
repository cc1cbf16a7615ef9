"""What a shop decides over the model's order: boosts and pins."""

from dataclasses import dataclass

from app.engine.filters import Filter


@dataclass(frozen=True, slots=True)
class Boost:
    """Items that pass the filter are answered as if they were `factor` times as likely."""

    filter: Filter
    factor: float  # above 0; below 1 buries


@dataclass(frozen=True, slots=True)
class Pin:
    """An item at a place of the list, wherever the order would put it."""

    row: int
    position: int  # from 1
