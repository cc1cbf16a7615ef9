"""Arrays by item row that grow at their end: what is appended costs no copy, and nobody who reads sees it happen."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_LEAST_SPARE: Final = 1_024  # rows
_SPARE_SHARE: Final = 8  # of the rows there are, one in so many is spare


class GrowingArray:
    """An array `[rows, ..]` for one writer and many readers, each of which holds an `array` of its own time.

    Rows are appended behind all that a reader holds; a row that readers may hold is changed in a copy.

    Args:
        base: the first rows; it is never written to.
    """

    def __init__(self, base: NDArray[Any]) -> None:
        self._buffer = base
        self._length = len(base)
        self._shared = len(base)  # rows that readers may hold
        self._is_own = False

    def __len__(self) -> int:
        return self._length

    @property
    def now(self) -> NDArray[Any]:
        """The rows as they are now, `[rows, ..]`, for the writer alone."""
        return self._buffer[: self._length]

    def share(self) -> NDArray[Any]:
        """The rows as they are now, `[rows, ..]`, for any reader: they stay so."""
        self._shared = self._length
        return self.now

    def extend(self, values: NDArray[Any]) -> None:
        """Append rows."""
        end = self._length + len(values)
        if not self._is_own or end > len(self._buffer):
            self._move(end)
        self._buffer[self._length : end] = values
        self._length = end

    def change(self, rows: NDArray[np.integer], values: NDArray[Any]) -> None:
        """Give rows new values; a row that a reader may hold is changed in a copy."""
        if len(rows):
            if rows.min() < self._shared:
                self._move(self._length)
            self._buffer[rows] = values

    def _move(self, length: int) -> None:
        spare = max(_LEAST_SPARE, length // _SPARE_SHARE)
        buffer = np.empty((length + spare, *self._buffer.shape[1:]), dtype=self._buffer.dtype)
        buffer[: self._length] = self._buffer[: self._length]
        self._buffer, self._is_own, self._shared = buffer, True, 0
