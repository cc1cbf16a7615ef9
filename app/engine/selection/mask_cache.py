"""The newest masks of filters, within a limit of memory that counts the filters as well as the masks."""

from collections import OrderedDict
from threading import Lock
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.engine.selection.filters import Comparison, Condition, Every, Filter, Some, Value

LEAST_MASKS: Final = 4  # kept whatever they take
_OBJECT_BYTES: Final = 120  # of a node, a comparison or a value, about
_CHARACTER_BYTES: Final = 4  # of a text, at most


class MaskCache:
    """Masks by filter; the one that was read longest ago goes first. Threads may share it.

    Args:
        limit_bytes: memory of masks and filters together.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._bytes = 0
        self._masks: OrderedDict[Filter, NDArray[np.bool_]] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._masks)

    @property
    def nbytes(self) -> int:
        """What the kept masks and their filters take, about."""
        return self._bytes

    def get(self, condition: Filter) -> NDArray[np.bool_] | None:
        """The mask of a filter, `[rows]`; None where it is not kept."""
        with self._lock:
            mask = self._masks.get(condition)
            if mask is not None:
                self._masks.move_to_end(condition)
            return mask

    def put(self, condition: Filter, mask: NDArray[np.bool_]) -> None:
        """Keep a mask, and let go of the oldest ones past the limit."""
        with self._lock:
            if condition in self._masks:
                return
            self._masks[condition] = mask
            self._bytes += _entry_bytes(condition, mask)
            while self._bytes > self._limit_bytes and len(self._masks) > LEAST_MASKS:
                self._bytes -= _entry_bytes(*self._masks.popitem(last=False))


def _entry_bytes(condition: Filter, mask: NDArray[np.bool_]) -> int:
    return mask.nbytes + _filter_bytes(condition)


def _filter_bytes(condition: Filter) -> int:
    match condition:
        case Condition(_, comparisons):
            return _OBJECT_BYTES + sum(map(_comparison_bytes, comparisons))
        case Every(parts) | Some(parts):
            return _OBJECT_BYTES + sum(map(_filter_bytes, parts))
        case _:
            return _OBJECT_BYTES + _filter_bytes(condition.part)


def _comparison_bytes(comparison: Comparison) -> int:
    values: tuple[Value, ...] = comparison.value if isinstance(comparison.value, tuple) else (comparison.value,)
    texts = sum(len(value) for value in values if isinstance(value, str))
    return _OBJECT_BYTES * (1 + len(values)) + _CHARACTER_BYTES * texts
