"""A student as a graph of ONNX: weights in whole numbers by output, activations by the one text that is read."""

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from app.artifact.names import IN_TOKENS, OUT_TEXT_VECTOR
from offline.errors import TrainingError
from offline.student.shape import Shape

_OPSET: Final = 18
Weights = Mapping[str, NDArray[np.float32]]


def student_graph(
    weights: Weights, shape: Shape, table: NDArray[np.float32], max_tokens: int, bits: int | None
) -> onnx.ModelProto:
    """The graph `input_ids` int64 `[1, tokens]` to `vector` float32 `[1, width]` of length 1.

    Args:
        weights: of a `Student`, by their names.
        shape: of it.
        table: `[all tokens, hidden]`, the vectors of its tokens.
        max_tokens: of a text.
        bits: of the weights; None leaves them in 32 bits of floating point.

    Raises:
        TrainingError: the graph that came out is not valid.
    """
    writer = _Writer(weights, shape, bits)
    states = writer.embed(table, max_tokens)
    for number in range(shape.layers):
        states = writer.layer(states, f"layers.{number}")
    writer.finish(states)
    model = helper.make_model(
        helper.make_graph(
            writer.nodes,
            "student",
            [helper.make_tensor_value_info(IN_TOKENS, TensorProto.INT64, [1, "tokens"])],
            [helper.make_tensor_value_info(OUT_TEXT_VECTOR, TensorProto.FLOAT, [1, shape.width])],
            writer.constants,
        ),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=9,
        producer_name="aisle",
    )
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise TrainingError(f"the student's graph is not valid: {error}") from error
    return model


def quantised(matrix: NDArray[np.float32], bits: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Whole numbers of a matrix `[inputs, outputs]`, and the scale of each of its columns."""
    most = 2 ** (bits - 1) - 1
    scales = np.maximum(np.abs(matrix).max(axis=0), 1e-12) / most
    return np.round(matrix / scales).astype(np.int8), scales.astype(np.float32)


class _Writer:
    """Collects the nodes of a graph whose states are `[tokens, hidden]`."""

    def __init__(self, weights: Weights, shape: Shape, bits: int | None) -> None:
        self._weights = weights
        self._shape = shape
        self._bits = bits
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def embed(self, table: NDArray[np.float32], max_tokens: int) -> str:
        """The states of the tokens before the first layer."""
        ids = self._node("Reshape", [IN_TOKENS, self._constant("flat", np.array([-1]))], "ids")
        if self._bits is None:
            embedded = self._node("Gather", [self._constant("tokens", table), ids], "embedded")
        else:
            rows, scales = quantised(np.ascontiguousarray(table.T), 8)
            numbers = self._node("Gather", [self._constant("tokens", np.ascontiguousarray(rows.T)), ids], "numbers")
            floats = self._node("Cast", [numbers], "floats", to=TensorProto.FLOAT)
            scale = self._node("Gather", [self._constant("token_scales", scales[:, None]), ids], "scale")
            embedded = self._node("Mul", [floats, scale], "embedded")
        count = self._node("Shape", [ids], "count")
        begin, axis = self._constant("begin", np.array([0])), self._constant("rows", np.array([0]))
        all_positions = self._constant("positions", self._weights["positions.weight"][:max_tokens])
        positions = self._node("Slice", [all_positions, begin, count, axis], "placed")
        return self._normalised(self._node("Add", [embedded, positions], "first.sum"), "first")

    def layer(self, states: str, name: str) -> str:
        """The states after a layer."""
        heads, hidden = self._shape.heads, self._shape.hidden
        size = hidden // heads
        matrices, biases = [], []
        for part, factor in (("query", 1 / math.sqrt(size)), ("key", 1.0), ("value", 1.0)):
            matrices.append(self._matrix(f"{name}.{part}") * np.float32(factor))
            biases.append(self._weights[f"{name}.{part}.bias"] * np.float32(factor))
        triple = self._linear(states, f"{name}.triple", np.concatenate(matrices, axis=1), np.concatenate(biases))
        by_head = self._constant("by_head", np.array([-1, 3 * heads, size]))
        parts = self._node("Reshape", [triple, by_head], f"{name}.parts")
        turned = self._node("Transpose", [parts], f"{name}.turned", perm=[1, 0, 2])
        query, key, value = (f"{name}.heads.{part}" for part in ("query", "key", "value"))
        self._nodes("Split", [turned], [query, key, value], axis=0, num_outputs=3)
        across = self._node("Transpose", [key], f"{name}.across", perm=[0, 2, 1])
        products = self._node("MatMul", [query, across], f"{name}.products")
        shares = self._node("Softmax", [products], f"{name}.shares", axis=-1)
        seen = self._node("MatMul", [shares, value], f"{name}.seen")
        back = self._node("Transpose", [seen], f"{name}.back", perm=[1, 0, 2])
        joined = self._node("Reshape", [back, self._constant("joined", np.array([-1, hidden]))], f"{name}.flat")
        joined = self._own_linear(joined, f"{name}.joined")
        states = self._normalised(self._node("Add", [states, joined], f"{name}.attended"), f"{name}.after_attention")
        inner = self._activated(self._own_linear(states, f"{name}.inner"), name)
        outer = self._own_linear(inner, f"{name}.outer")
        return self._normalised(self._node("Add", [states, outer], f"{name}.added"), f"{name}.after_inner")

    def finish(self, states: str) -> None:
        """The vector, of the states after the last layer."""
        if self._shape.pool == "mean":
            pooled = self._node("ReduceMean", [states, self._constant("rows", np.array([0]))], "pooled", keepdims=1)
        else:
            first, one = self._constant("begin", np.array([0])), self._constant("one", np.array([1]))
            pooled = self._node("Slice", [states, first, one, self._constant("rows", np.array([0]))], "pooled")
        matrix = self._constant("last.matrix", self._matrix("last"))
        product = self._node("MatMul", [pooled, matrix], "last.product")
        last = self._node("Add", [product, self._constant("last.bias", self._weights["last.bias"])], "last")
        axes = self._constant("columns", np.array([1]))
        length = self._node("ReduceL2", [last, axes], "last.length", keepdims=1)
        least = self._constant("least", np.array(1e-12, dtype=np.float32))
        self._node("Div", [last, self._node("Max", [length, least], "length")], OUT_TEXT_VECTOR)

    def _matrix(self, name: str) -> NDArray[np.float32]:
        """`[inputs, outputs]`."""
        return np.ascontiguousarray(self._weights[f"{name}.weight"].T)

    def _own_linear(self, states: str, name: str) -> str:
        return self._linear(states, name, self._matrix(name), self._weights[f"{name}.bias"])

    def _linear(self, states: str, name: str, matrix: NDArray[np.float32], bias: NDArray[np.float32]) -> str:
        if self._bits is None:
            product = self._node("MatMul", [states, self._constant(f"{name}.matrix", matrix)], f"{name}.product")
        else:
            numbers, scales = quantised(matrix, self._bits)
            levels, step, zero = (f"{name}.{part}" for part in ("levels", "step", "zero"))
            self._nodes("DynamicQuantizeLinear", [states], [levels, step, zero])
            weights = self._constant(f"{name}.numbers", numbers)
            none = self._constant(f"{name}.weights_zero", np.zeros(len(scales), dtype=np.int8))
            sums = self._node("MatMulInteger", [levels, weights, zero, none], f"{name}.sums")
            floats = self._node("Cast", [sums], f"{name}.floats", to=TensorProto.FLOAT)
            scale = self._node("Mul", [step, self._constant(f"{name}.scales", scales)], f"{name}.scale")
            product = self._node("Mul", [floats, scale], f"{name}.product")
        return self._node("Add", [product, self._constant(f"{name}.bias", bias)], name)

    def _normalised(self, states: str, name: str) -> str:
        weights = [self._constant(f"{name}.{kind}", self._weights[f"{name}.{kind}"]) for kind in ("weight", "bias")]
        return self._node(
            "LayerNormalization", [states, *weights], f"{name}.normal", axis=-1, epsilon=self._shape.epsilon
        )

    def _activated(self, states: str, name: str) -> str:
        match self._shape.activation:
            case "relu":
                return self._node("Relu", [states], f"{name}.active")
            case "gelu":
                scaled = self._node("Div", [states, self._number("root", math.sqrt(2))], f"{name}.scaled")
                curve = self._node("Erf", [scaled], f"{name}.curve")
            case "gelu_tanh":
                cubed = self._node("Pow", [states, self._number("three", 3.0)], f"{name}.cubed")
                part = self._node("Mul", [cubed, self._number("cubic", 0.044715)], f"{name}.part")
                whole = self._node("Add", [states, part], f"{name}.whole")
                scaled = self._node("Mul", [whole, self._number("slope", math.sqrt(2 / math.pi))], f"{name}.scaled")
                curve = self._node("Tanh", [scaled], f"{name}.curve")
        raised = self._node("Add", [curve, self._number("unit", 1.0)], f"{name}.raised")
        product = self._node("Mul", [states, raised], f"{name}.doubled")
        return self._node("Mul", [product, self._number("half", 0.5)], f"{name}.active")

    def _number(self, name: str, value: float) -> str:
        return self._constant(name, np.array(value, dtype=np.float32))

    def _constant(self, name: str, value: NDArray[Any]) -> str:
        """A constant of that name, which is written once."""
        name = f"constant.{name}"
        if all(tensor.name != name for tensor in self.constants):
            self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value) if value.ndim else value, name))
        return name

    def _node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self._nodes(kind, inputs, [output], **attributes)
        return output

    def _nodes(self, kind: str, inputs: list[str], outputs: list[str], **attributes: Any) -> None:
        self.nodes.append(helper.make_node(kind, inputs, outputs, name=outputs[0], **attributes))
