"""Stable 64-bit hashes of ids, by which records outside the process name users and items."""

from collections.abc import Iterable
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray


def stable_hash(text: str) -> int:
    """An unsigned 64-bit hash of `text` that is the same in every process, release and machine."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


def stable_hashes(texts: Iterable[str]) -> NDArray[np.uint64]:
    """`stable_hash` of each text, `[n]`."""
    return np.fromiter((stable_hash(text) for text in texts), dtype=np.uint64)
