"""The ranker's network as far as it gives an order, compiled: to the last bit what ONNX Runtime makes of its graph on
processors that fuse products and sums.
"""

import ctypes
from ctypes import byref, c_float, c_int64, c_void_p
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.engine.kernels.library import Library, address, contiguous, library

Floats = NDArray[np.float32]
_SIDE: Final = 16  # candidates side by side
_MATRICES: Final = ("mean", "spread", "first", "first_bias", "second", "second_bias", "last", "base")


class _Network(ctypes.Structure):
    _fields_ = (
        *((name, c_void_p) for name in _MATRICES),
        *((name, c_int64) for name in ("inputs", "units", "later_units")),
        *((name, c_float) for name in ("low", "high", "last_bias")),
    )


@dataclass(frozen=True, eq=False)
class OrderNetwork:
    """Two inner layers over features, whose last one is added to a weighted feature; matrices are `[in, out]`."""

    mean: Floats  # [inputs]
    spread: Floats  # [inputs]
    low: float  # what an input is at least, and at most
    high: float
    first: Floats  # [inputs, units]
    first_bias: Floats
    second: Floats  # [units, later units]
    second_bias: Floats
    last: Floats  # [later units]
    last_bias: float
    base: Floats  # [inputs]

    def scores(self, features: Floats) -> Floats:
        """The scores `[n]` of candidates by their features, `[n, inputs]`; none hangs on another."""
        compiled = library()
        return self.numpy_scores(features) if compiled is None else self._compiled_scores(compiled, features)

    def numpy_scores(self, features: Floats) -> Floats:
        """As `scores`, by NumPy."""
        inputs = (features - self.mean) / self.spread
        inputs = np.minimum(np.maximum(inputs, np.float32(self.low)), np.float32(self.high))
        inner = np.maximum(_product(inputs, self.first) + self.first_bias, np.float32(0))
        inner = np.maximum(_product(inner, self.second) + self.second_bias, np.float32(0))
        last = _product(inner, self.last[:, None])[:, 0] + np.float32(self.last_bias)
        return np.asarray(_product(inputs, self.base[:, None])[:, 0] + last, dtype=np.float32)

    def _compiled_scores(self, compiled: Library, features: Floats) -> Floats:
        network, _ = self._readable
        if features.ndim != 2 or features.shape[1] != network.inputs:
            raise IndexError(f"expected {network.inputs} features of each candidate, got {features.shape}")
        features = contiguous(features, np.float32)
        scores = np.empty(len(features), dtype=np.float32)
        scratch = np.empty(_SIDE * (network.inputs + network.units + network.later_units), dtype=np.float32)
        compiled.order_scores(byref(network), address(features), len(features), address(scores), address(scratch))
        return scores

    @cached_property
    def _readable(self) -> tuple[_Network, tuple[NDArray[Any], ...]]:
        """The network as the kernel reads it, and the arrays that it points into."""
        inputs, units, later = len(self.mean), len(self.first_bias), len(self.second_bias)
        shapes = ((inputs,), (inputs,), (inputs, units), (units,), (units, later), (later,), (later,), (inputs,))
        arrays = tuple(contiguous(getattr(self, name), np.float32) for name in _MATRICES)
        if tuple(array.shape for array in arrays) != shapes:
            raise IndexError(f"expected matrices of {shapes}, got {tuple(array.shape for array in arrays)}")
        return _Network(*map(address, arrays), inputs, units, later, self.low, self.high, self.last_bias), arrays


def _product(inputs: Floats, weights: Floats) -> Floats:
    """`[n, out]`, every sum in the order of its inputs, each product and sum rounded once."""
    total = np.zeros((len(inputs), weights.shape[1]), dtype=np.float32)
    for column, of_input in enumerate(weights):
        total = _fused(inputs[:, column, None], of_input, total)
    return total


def _fused(values: Floats, weights: Floats, sums: Floats) -> Floats:
    """Products and sums, rounded once: to an odd number of twice the digits first, which is as if it were done once."""
    products, others = values.astype(np.float64) * weights, sums.astype(np.float64)
    wide = products + others
    part = wide - products
    rest = (products - (wide - part)) + (others - part)
    is_even = (np.ascontiguousarray(wide).view(np.int64) & 1) == 0
    odd = np.where((rest != 0) & is_even, np.nextafter(wide, np.copysign(np.inf, rest)), wide)
    return odd.astype(np.float32)
