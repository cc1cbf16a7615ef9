"""Ids of variants, each of which means the item that it is a variant of."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from app.artifact.arrays import load_array
from app.artifact.columns import TextColumn
from app.artifact.names import VARIANTS

_IDS: Final = "ids"  # a text column
_ROWS: Final = "rows.npy"  # int32 [variants]


@dataclass(frozen=True)
class Variants:
    """Ids that are no items' own, each once, and the item row of each."""

    ids: TextColumn  # [variants]
    rows: NDArray[Any]  # int32 [variants]

    @classmethod
    def none(cls) -> "Variants":
        """No ids."""
        return cls(TextColumn.of([]), np.zeros(0, dtype=np.int32))


def write_variants(folder: Path, ids: Sequence[str], rows: ArrayLike) -> None:
    """Write ids and the item row of each into the bundle in `folder`, perhaps none."""
    below = folder / VARIANTS
    below.mkdir(parents=True, exist_ok=True)
    TextColumn.of(ids).write(below / _IDS)
    np.save(below / _ROWS, np.asarray(rows, dtype=np.int32))


def read_variants(folder: Path) -> Variants:
    """The ids of the bundle in `folder`.

    Raises:
        OSError: a file is missing.
        ValueError: it is no array.
    """
    below = folder / VARIANTS
    return Variants(TextColumn.read(below / _IDS), load_array(below / _ROWS))
