"""Vectors of texts that were asked for before, within a bound of bytes."""

from collections import OrderedDict
from sys import getsizeof
from threading import Lock
from typing import Final

import numpy as np
from numpy.typing import NDArray

_ENTRY_BYTES: Final = 256  # of an entry besides its text and its numbers


class VectorCache:
    """The vectors that were used last. Any number of threads may use it.

    Args:
        most_bytes: of texts and vectors together.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most: Final = most_bytes
        self._vectors: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self._bytes = 0
        self._lock: Final = Lock()

    @property
    def held_bytes(self) -> int:
        """Bytes that are held now."""
        return self._bytes

    def __len__(self) -> int:
        return len(self._vectors)

    def get(self, text: str) -> NDArray[np.float32] | None:
        """The vector of a text, not to be written to; None where it is not held."""
        with self._lock:
            vector = self._vectors.get(text)
            if vector is not None:
                self._vectors.move_to_end(text)
            return vector

    def put(self, text: str, vector: NDArray[np.float32]) -> None:
        """Hold the vector of a text; those that were not used for longest give way."""
        with self._lock:
            if text in self._vectors:
                return
            self._vectors[text] = vector
            self._bytes += _bytes_of(text, vector)
            while self._bytes > self._most:
                self._bytes -= _bytes_of(*self._vectors.popitem(last=False))


def _bytes_of(text: str, vector: NDArray[np.float32]) -> int:
    return getsizeof(text) + vector.nbytes + _ENTRY_BYTES
