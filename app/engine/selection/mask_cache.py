"""The newest masks of filters, within a limit of memory."""

from collections import OrderedDict
from threading import Lock
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.engine.selection.filters import Filter, key_of

LEAST_MASKS: Final = 4  # kept whatever they take
ENTRY_BYTES: Final = 350  # of a key, an array and their places, beside what the array holds


class MaskCache:
    """Masks by the digest of their filter, of which nothing else is kept; the one that was read longest ago goes first.

    Threads may share it.

    Args:
        limit_bytes: memory of all of it.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._bytes = 0
        self._masks: OrderedDict[bytes, NDArray[np.bool_]] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._masks)

    @property
    def nbytes(self) -> int:
        """What the kept masks take, about."""
        return self._bytes

    def get(self, condition: Filter) -> NDArray[np.bool_] | None:
        """The mask of a filter, `[rows]`; None where it is not kept."""
        key = key_of(condition)
        with self._lock:
            mask = self._masks.get(key)
            if mask is not None:
                self._masks.move_to_end(key)
            return mask

    def put(self, condition: Filter, mask: NDArray[np.bool_]) -> None:
        """Keep a mask, and let go of the oldest ones past the limit."""
        key = key_of(condition)
        with self._lock:
            if key in self._masks:
                return
            self._masks[key] = mask
            self._bytes += mask.nbytes + ENTRY_BYTES
            while self._bytes > self._limit_bytes and len(self._masks) > LEAST_MASKS:
                self._bytes -= self._masks.popitem(last=False)[1].nbytes + ENTRY_BYTES
