"""`rank.onnx`: the ranker as a graph of a few dense layers."""

from dataclasses import dataclass
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
    graph = _Graph([], [])
    inputs = _scaled_features(graph, ranker)
    order = _dense(graph, inputs, "order", ranker.order)
    # The base feature is picked by a product with a column that holds its weight, and zeros.
    column = np.zeros((len(ranker.mean), 1), dtype=np.float32)
    column[ranker.base] = ranker.base_weight.item()
    base = graph.node("MatMul", [inputs, graph.constant("base_weight", column)], "base")
    graph.constants.append(numpy_helper.from_array(np.array([1], dtype=np.int64), "last_axis"))
    graph.node("Squeeze", [graph.node("Add", [base, order], "order_column"), "last_axis"], names.OUT_ORDER)
    graph.node("Identity", [_dense(graph, inputs, "chain", ranker.chain)], names.OUT_CHAIN)
    model = graph.model(features=len(ranker.mean), links=_last(ranker.chain).out_features)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(path))


@dataclass(frozen=True)
class _Graph:
    """The nodes and constants of the graph so far."""

    nodes: list[onnx.NodeProto]
    constants: list[onnx.TensorProto]

    def constant(self, name: str, value: NDArray[np.float32] | np.float32) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype=np.float32), name))
        return name

    def node(self, kind: str, inputs: list[str], output: str) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output))
        return output

    def model(self, features: int, links: int) -> onnx.ModelProto:
        graph = helper.make_graph(
            self.nodes,
            "rank",
            [helper.make_tensor_value_info(names.IN_FEATURES, TensorProto.FLOAT, ["candidates", features])],
            [
                helper.make_tensor_value_info(names.OUT_ORDER, TensorProto.FLOAT, ["candidates"]),
                helper.make_tensor_value_info(names.OUT_CHAIN, TensorProto.FLOAT, ["candidates", links]),
            ],
            self.constants,
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=9)


def _scaled_features(graph: _Graph, ranker: Ranker) -> str:
    """The features less their mean, over their spread, clipped."""
    centred = graph.node("Sub", [names.IN_FEATURES, graph.constant("mean", ranker.mean.numpy())], "centred")
    scaled = graph.node("Div", [centred, graph.constant("spread", ranker.spread.numpy())], "scaled")
    ends = [graph.constant("low", np.float32(-CLIP)), graph.constant("high", np.float32(CLIP))]
    return graph.node("Clip", [scaled, *ends], "inputs")


def _dense(graph: _Graph, inputs: str, head: str, layers: nn.Sequential) -> str:
    """The layers of one head."""
    last = inputs
    for index, layer in enumerate(layers):
        if isinstance(layer, nn.Linear):
            weight = graph.constant(f"{head}_weight_{index}", layer.weight.detach().numpy().T)
            bias = graph.constant(f"{head}_bias_{index}", layer.bias.detach().numpy())
            last = graph.node("Gemm", [last, weight, bias], f"{head}_linear_{index}")
        elif isinstance(layer, nn.ReLU):
            last = graph.node("Relu", [last], f"{head}_relu_{index}")
    return last


def _last(layers: nn.Sequential) -> nn.Linear:
    last = layers[-1]
    if not isinstance(last, nn.Linear):
        raise TypeError("the last layer of the ranker is linear")
    return last
