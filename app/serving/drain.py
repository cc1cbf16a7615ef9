"""Whether the process has been told to end: it answers on, and says that it wants no more."""

from dataclasses import dataclass


@dataclass
class Drain:
    """Set once, by whoever hears the signal."""

    begun: bool = False
