"""What all columns of a changed catalogue share: which of its items are as the bundle has them, and the tiers."""

from collections.abc import Sequence, Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.engine.selection.bundle_spellings import BundleSpellings
from app.engine.selection.value_tier import ValueTier


@dataclass(frozen=True, eq=False)
class TierOfView:
    """A tier, and which of its documents are the newest of their items, which may be answered."""

    tier: ValueTier
    alive: NDArray[np.bool_]  # [documents]

    def paths(self, known: Set[str]) -> set[str]:
        """The paths of columns in which a document that is alive has a value, but for those that are known."""
        paths = self.tier.paths - known
        alive = np.flatnonzero(self.alive).tolist() if paths else ()
        return {path for path in paths if any(path in self.tier.values[place].by_path for place in alive)}


@dataclass(frozen=True, eq=False)
class ColumnLayers:
    """The bundle's rows and the live documents over them."""

    span: int  # rows of the item tables
    kept: NDArray[np.bool_]  # [bundle rows] the items that are as the bundle has them
    tiers: Sequence[TierOfView]  # the oldest first
    spellings: BundleSpellings | None  # of the bundle's items; None where its texts are unknown
