"""The stable hashes of the texts of a column."""

import numpy as np
from numpy.typing import NDArray

from app.artifact.columns import TextColumn
from app.artifact.hashing import stable_hashes
from app.engine.kernels.library import address, contiguous, library


def hashes_of_texts(column: TextColumn) -> NDArray[np.uint64]:
    """`[rows]`, the stable hash of each text of a column, missing ones as empty.

    Raises:
        IndexError: an offset points outside of the texts.
    """
    compiled = library()
    if compiled is None:
        return numpy_hashes_of_texts(column)
    values, offsets = contiguous(column.values, np.uint8), contiguous(column.offsets, np.int64)
    hashes = np.empty(len(column), dtype=np.uint64)
    if not compiled.hash_texts(address(values), len(values), address(offsets), len(hashes), address(hashes)):
        raise IndexError(f"expected ascending offsets of at most {len(values)}, got another")
    return hashes


def numpy_hashes_of_texts(column: TextColumn) -> NDArray[np.uint64]:
    """As `hashes_of_texts`, one text after another."""
    return stable_hashes(column.all())
