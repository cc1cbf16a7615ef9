"""Unstructured sparsity, for the table: the smallest weights of the query tower set to zero in the exported graph."""

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

_LEAST_SIDE = 16
"""Tables of biases by age or distance are narrower than that; they are no layers."""


def without_small_weights(model: onnx.ModelProto, share: float) -> onnx.ModelProto:
    """A copy of an exported tower whose every weight matrix has lost the `share` of smallest magnitude.

    The matrices stay dense: ONNX Runtime has no sparse kernel for these products.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for tensor in copy.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or len(tensor.dims) != 2 or min(tensor.dims) < _LEAST_SIDE:
            continue
        weights = numpy_helper.to_array(tensor).copy()
        weights[np.abs(weights) < np.quantile(np.abs(weights), share)] = 0.0
        tensor.CopyFrom(numpy_helper.from_array(weights, tensor.name))
    return copy
