"""Which variant is served: the smallest that is surely within the stated loss of full precision on validation."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offline.compress.recipe import Recipe
from offline.errors import RunFolderError

COMPRESS_FILE = "compress.json"
MAX_LOSS = 0.005
_SURELY = 1.96
"""Standard errors from the mean to the end of the 95 % interval."""


@dataclass(frozen=True)
class Difference:
    """A variant beside full precision on the same users, in shares of the metric in full precision."""

    loss: float  # how much is lost; negative where more is found
    noise: float  # standard error of the loss: users differ, the two rankings of one user much less
    one_user: float = 0.0  # what it would be if one more user lost all that a user with a hit has

    @property
    def most(self) -> float:
        """The end of the 95 % interval on the side of loss, with that one user, whom a small sample may have missed."""
        return self.loss + self.one_user + _SURELY * math.hypot(self.noise, self.one_user)


@dataclass(frozen=True)
class Measurement:
    """One line of the table, and what the choice needs besides."""

    variant: str
    recipe: Recipe | None  # None for what is measured but never served
    megabytes: float
    p50_ms: float | None  # None where there was no time to measure it
    p99_ms: float | None
    value: float
    overlap_at_10: float
    differences: Mapping[str, Difference]  # by each judge
    milder: tuple[str, ...] = ()  # variants that this one goes beyond
    note: str = ""

    @property
    def difference(self) -> Difference:
        """By the judge that it may lose most by."""
        return worst(list(self.differences.values()))

    def line(self, metric: str, chosen: str) -> dict[str, Any]:
        """As it stands in the manifest."""
        losses = [
            f"{f'{judge} ' if len(self.differences) > 1 else ''}loss {difference.loss:+.2%} ± {difference.noise:.2%}, "
            f"surely not more than {difference.most:+.2%}"
            for judge, difference in self.differences.items()
        ]
        return {
            "variant": self.variant,
            "megabytes": round(self.megabytes, 6),
            "p50_ms": None if self.p50_ms is None else round(self.p50_ms, 4),
            "p99_ms": None if self.p99_ms is None else round(self.p99_ms, 4),
            "metric": metric,
            "value": self.value,
            "overlap_at_10": round(self.overlap_at_10, 4),
            "chosen": self.variant == chosen,
            "note": "; ".join(filter(None, [*losses, self.note])),
        }


@dataclass(frozen=True)
class CompressionChoice:
    """The chosen variant's recipe, which another network can be given too, and the table that it was chosen from."""

    variant: str
    recipe: Recipe
    max_loss: float
    metric: str | None  # None where nobody was there to validate on
    users: int
    table: list[dict[str, Any]]
    make_s: float = 0.0  # seconds to give a network the recipe
    cut_short: str | None = None  # what the allowance left undone

    def as_dict(self) -> dict[str, Any]:
        """JSON-able; the inverse of `from_dict`. The table goes by the name that it has in the manifest."""
        document = asdict(self)
        return {"compression": document.pop("table")} | document

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> "CompressionChoice":
        """Read what `as_dict` returned."""
        given = dict(document)
        return cls(table=given.pop("compression"), recipe=Recipe(**given.pop("recipe")), **given)


def paired_difference(full: NDArray[np.float64], variant: NDArray[np.float64]) -> Difference:
    """How much of the metric is lost, from both values of every user, `[users]`.

    The standard error is that of the users' paired differences. Where full precision finds nothing, nothing can be
    told: the noise is infinite.
    """
    mean = float(full.mean()) if len(full) else 0.0
    if mean <= 0 or len(full) < 2:
        return Difference(0.0, float("inf"))
    lost, hit = full - variant, float(full[full > 0].mean())
    noise = float(lost.std(ddof=1)) / len(lost) ** 0.5
    return Difference(float(lost.mean()) / mean, noise / mean, hit / len(full) / mean)


def worst(differences: Sequence[Difference]) -> Difference:
    """The one that may lose most."""
    return max(differences, key=lambda difference: difference.most)


def choose(measured: Sequence[Measurement], plain: str, max_loss: float) -> Measurement:
    """The smallest variant surely within `max_loss`; of equally small ones the one with the better metric.

    A variant counts only if the 95 % interval of its loss ends within `max_loss`, and if all that go less far count:
    among several noisy variants the luckiest looks best. With too few users to tell, nothing is cut.

    Args:
        measured: all variants, those that go less far first.
        plain: the variant that is served when no other is within the loss.
        max_loss: share of the metric in full precision.
    """
    within = within_loss(measured, max_loss)
    eligible = [
        variant
        for variant in measured
        if variant.recipe is not None and (variant.variant in within or variant.variant == plain)
    ]
    return min(eligible, key=lambda variant: (variant.megabytes, -variant.value))


def may_be_clear(difference: Difference, max_loss: float) -> bool:
    """Whether there are users enough to tell a loss of `max_loss`, if a variant lost nothing and differed half as much.

    Fine-tuning brings a variant nearer to full precision, and so makes the noise of the difference smaller.
    """
    return Difference(0.0, difference.noise / 2, difference.one_user).most <= max_loss


def within_loss(measured: Sequence[Measurement], max_loss: float) -> set[str]:
    """The variants that `choose` may take; each of `measured` after those that go less far."""
    within: set[str] = set()
    for variant in measured:
        if all(name in within for name in variant.milder) and variant.difference.most <= max_loss:
            within.add(variant.variant)
    return within


def read_choice(folder: Path) -> CompressionChoice:
    """The choice that was made in `folder`.

    Raises:
        RunFolderError: there is none, or it is unreadable.
    """
    try:
        return CompressionChoice.from_dict(json.loads((folder / COMPRESS_FILE).read_text("utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunFolderError(
            f"{folder}: expected a finished compression with {COMPRESS_FILE}, got none ({error}): compress first"
        ) from error
