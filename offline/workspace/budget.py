"""The seconds that a run may take: the shares of its stages, what was spent before a stop, and what is left."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from time import monotonic
from typing import Final

SHARES: Final = {"train": 0.5, "compress": 0.1, "rank": 0.15, "refit": 0.25}
"""Of the budget, by stage. What one leaves goes to those after it."""

Now = Callable[[], float]
"""Returns seconds that never go backwards."""


@dataclass(frozen=True)
class Allowance:
    """The seconds of one piece of work, on a clock that is passed in."""

    seconds: float | None = None  # None bounds nothing
    began: float = 0.0  # by the clock; earlier than now by what was spent before
    now: Now = monotonic

    @classmethod
    def of(cls, seconds: float | None, *, used: float = 0.0, now: Now = monotonic) -> "Allowance":
        """Begin now, with `used` seconds spent before."""
        return cls(seconds, now() - used, now)

    def used(self) -> float:
        """Seconds spent so far."""
        return self.now() - self.began

    def share(self) -> float:
        """The part of the seconds that is spent; 0 where nothing bounds, more than 1 past the end."""
        return 0.0 if self.seconds is None else self.used() / max(self.seconds, 1e-9)

    def left(self) -> float:
        """Seconds left; infinite where nothing bounds, 0 past the end."""
        return math.inf if self.seconds is None else max(0.0, self.seconds - self.used())

    def is_spent(self) -> bool:
        """Whether nothing is left."""
        return self.left() <= 0.0

    def fits(self, seconds: float) -> bool:
        """Whether so much is left."""
        return self.left() >= seconds

    def part(self, share: float) -> "Allowance":
        """From now on a share of what is left."""
        return Allowance.of(None if self.seconds is None else share * self.left(), now=self.now)

    def sooner(self, seconds: float) -> "Allowance":
        """The same, ending so many seconds before it."""
        return self if self.seconds is None else replace(self, seconds=max(0.0, self.seconds - seconds))


def share_of(stage: str, left_s: float, later: Mapping[str, tuple[float, float] | None]) -> float:
    """The seconds of a stage out of those left for it and for the stages after it, at least a tenth of them.

    Args:
        stage: of `SHARES`.
        left_s: for all of them.
        later: the stages after it, each with about the least and the most that it needs, if that is known: it gets its
            share, but not less than the one, and not more than the other. What the leasts take beyond their shares,
            all others give by theirs.
    """
    least = {name: needs[0] for name, needs in later.items() if needs is not None}
    bound: dict[str, float] = {}
    while True:
        rest_s = max(0.0, left_s - sum(bound.values()))
        a_share_s = rest_s / (SHARES[stage] + sum(SHARES[name] for name in later if name not in bound))
        short = {name: s for name, s in least.items() if name not in bound and a_share_s * SHARES[name] < s}
        if not short:
            break
        bound |= short
    later_s = sum(bound.values())
    for name, needs in later.items():
        if name not in bound:
            later_s += a_share_s * SHARES[name] if needs is None else min(a_share_s * SHARES[name], needs[1])
    return max(left_s - later_s, 0.1 * left_s)
