"""`rank.onnx`: the ranker as a graph of a few dense layers."""

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from app.artifact import names
from model.ranker import CLIP, Ranker

_OPSET = 18


def write_rank_graph(path: Path, ranker: Ranker) -> None:
    """Write the graph; dropout is left out."""
    features = len(ranker.mean)
    links = _last(ranker.chain).out_features
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []

    def constant(name: str, value: NDArray[np.float32] | np.float32) -> str:
        constants.append(numpy_helper.from_array(np.asarray(value, dtype=np.float32), name))
        return name

    def node(kind: str, inputs: list[str], output: str) -> str:
        nodes.append(helper.make_node(kind, inputs, [output], name=output))
        return output

    centred = node("Sub", [names.IN_FEATURES, constant("mean", ranker.mean.numpy())], "centred")
    scaled = node("Div", [centred, constant("spread", ranker.spread.numpy())], "scaled")
    ends = [constant("low", np.float32(-CLIP)), constant("high", np.float32(CLIP))]
    inputs = node("Clip", [scaled, *ends], "inputs")
    for head, layers in (("order", ranker.order), ("chain", ranker.chain)):
        last = inputs
        for place, layer in enumerate(layers):
            if isinstance(layer, nn.Linear):
                weight = constant(f"{head}_weight_{place}", layer.weight.detach().numpy().T)
                bias = constant(f"{head}_bias_{place}", layer.bias.detach().numpy())
                last = node("Gemm", [last, weight, bias], f"{head}_linear_{place}")
            elif isinstance(layer, nn.ReLU):
                last = node("Relu", [last], f"{head}_relu_{place}")
        if head == "order":
            # The base feature is picked by a product with a column that holds its weight, and zeros.
            column = np.zeros((features, 1), dtype=np.float32)
            column[ranker.base] = ranker.base_weight.item()
            base = node("MatMul", [inputs, constant("base_weight", column)], "base")
            constants.append(numpy_helper.from_array(np.array([1], dtype=np.int64), "last_axis"))
            node("Squeeze", [node("Add", [base, last], "order_column"), "last_axis"], names.OUT_ORDER)
        else:
            node("Identity", [last], names.OUT_CHAIN)
    graph = helper.make_graph(
        nodes,
        "rank",
        [helper.make_tensor_value_info(names.IN_FEATURES, TensorProto.FLOAT, ["candidates", features])],
        [
            helper.make_tensor_value_info(names.OUT_ORDER, TensorProto.FLOAT, ["candidates"]),
            helper.make_tensor_value_info(names.OUT_CHAIN, TensorProto.FLOAT, ["candidates", links]),
        ],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(path))


def _last(layers: nn.Sequential) -> nn.Linear:
    last = layers[-1]
    if not isinstance(last, nn.Linear):
        raise TypeError("the last layer of the ranker is linear")
    return last
