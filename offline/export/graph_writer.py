"""Nodes and constants put behind an exported tower, and the finished model written."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from offline.errors import TrainingError

_ADDED = "search/"


def is_added(node: onnx.NodeProto) -> bool:
    """Whether a `GraphWriter` put the node into its graph."""
    return node.name.startswith(_ADDED)


@dataclass(frozen=True)
class GraphWriter:
    """Adds to a graph under names that begin with `search/`."""

    graph: onnx.GraphProto

    def constant(self, name: str, value: NDArray[Any] | np.generic) -> str:
        """An initializer of that name."""
        self.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """A node with one output, whose name is returned."""
        self.nodes(kind, inputs, [output], **attributes)
        return output

    def nodes(self, kind: str, inputs: list[str], outputs: list[str], **attributes: Any) -> None:
        """A node with several outputs."""
        self.graph.node.append(helper.make_node(kind, inputs, outputs, name=f"{_ADDED}{outputs[0]}", **attributes))

    def input(self, name: str, kind: int, shape: list[int | str]) -> str:
        """A further input of the whole graph."""
        self.graph.input.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def output(self, name: str, kind: int, shape: list[int | str]) -> None:
        """A further output of the whole graph."""
        self.graph.output.append(helper.make_tensor_value_info(name, kind, shape))


def ints(*values: int) -> NDArray[np.int64]:
    """A shape, axes, or a number of rows as ONNX wants them."""
    return np.array(values, dtype=np.int64)


def save_checked(model: onnx.ModelProto, path: Path, metadata: Mapping[str, str] | None = None) -> None:
    """Check the model and write it, without the exporter's notes.

    Args:
        model: what is written.
        metadata: what the file tells of itself.

    Raises:
        TrainingError: it is not valid.
    """
    for node in model.graph.node:  # the exporter's notes on where a node came from: paths of this machine
        del node.metadata_props[:]
        node.doc_string = ""
    helper.set_model_props(model, dict(metadata or {}))
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise TrainingError(f"the exported graph is not valid: {error}") from error
    onnx.save(model, str(path))
