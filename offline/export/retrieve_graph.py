"""`retrieve.onnx`: the query tower, then the exact int8 inner-product search with masks and top-k inside."""

import logging
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from app.artifact import names
from app.errors import TrainingError
from model.query_tower import QueryTower
from offline.export.serving_tower import ServingTower

OPSET = 18
_BLOCKS = ((20_000, 1), (50_000, 16), (200_000, 32), (math.inf, 64))
"""Up to so many rows, the block of the two-step top-k: the best k items lie in the k blocks with the best maxima."""
_ZERO_POINT = 128
_TOWER_OUT = "tower_query"


def block_of(items: int) -> int:
    """The block of the top-k for a catalogue of that size; 1 searches in one step."""
    return next(block for most, block in _BLOCKS if items <= most)


def padded_rows(items: int) -> int:
    """Columns of the item matrix: the padding row, the items, and filler up to whole blocks."""
    block = block_of(items)
    return -(-(items + 1) // block) * block


def write_retrieve_graph(
    path: Path,
    tower: QueryTower,
    vectors: NDArray[np.int8] | NDArray[np.float32],
    scales: NDArray[np.float32],
    block: int,
) -> None:
    """Write the graph.

    Args:
        path: the file.
        tower: the trained query tower, on the CPU.
        vectors: `[rows, dim]`, rows a multiple of the block.
        scales: `[rows]`, of a score: the vector's own scale times the item's length.
        block: of the top-k.

    Raises:
        TrainingError: the graph that came out is not valid.
    """
    write_search(path, export_tower(tower, vectors.shape[1]), vectors, scales, block)


def write_search(
    path: Path,
    model: onnx.ModelProto,
    vectors: NDArray[np.int8] | NDArray[np.float32],
    scales: NDArray[np.float32],
    block: int,
) -> None:
    """Put the search behind an exported tower, which is used up, and write both.

    Args:
        path: the file.
        model: from `export_tower`.
        vectors: `[rows, dim]`; in float32 the search is the reference of compression, not what a bundle holds.
        scales: `[rows]`.
        block: of the top-k.

    Raises:
        TrainingError: the graph that came out is not valid.
    """
    _append_search(model.graph, vectors, scales, block)
    del model.metadata_props[:]
    for node in model.graph.node:  # the exporter's notes on where a node came from: paths of this machine
        del node.metadata_props[:]
        node.doc_string = ""
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise TrainingError(f"the exported graph is not valid: {error}") from error
    onnx.save(model, str(path))


def export_tower(tower: QueryTower, dim: int) -> onnx.ModelProto:
    """The query tower alone, for item vectors of `dim` numbers.

    Raises:
        TrainingError: the exporter gave nothing.
    """
    window = tower.window
    example = {
        names.IN_EVENT_VECTORS: torch.randn(2, window, dim),
        names.IN_EVENT_TYPES: torch.ones(2, window, dtype=torch.int64),
        names.IN_AGE_BUCKETS: torch.ones(2, window, dtype=torch.int64),
        names.IN_LONG_VECTOR: torch.randn(2, dim),
        names.IN_LONG_WEIGHT: torch.ones(2, 1),
        names.IN_GIVEN_QUERY: torch.randn(2, dim),
        names.IN_GIVEN: torch.zeros(2, 1, dtype=torch.bool),
    }
    batch = torch.export.Dim("batch", min=1, max=4096)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations, none of which the caller can act on
        program = torch.onnx.export(
            ServingTower(tower).eval(),
            kwargs=example,
            dynamo=True,
            opset_version=OPSET,
            dynamic_shapes={name: {0: batch} for name in example},
            input_names=list(example),
            output_names=[_TOWER_OUT],
            verbose=False,
            optimize=True,
        )
    if program is None:
        raise TrainingError("the exporter gave no graph")
    model: onnx.ModelProto = program.model_proto
    return model


def _append_search(
    graph: onnx.GraphProto,
    vectors: NDArray[np.int8] | NDArray[np.float32],
    scales: NDArray[np.float32],
    block: int,
) -> None:
    """The nodes from the query vector to scores and rows."""
    rows, dim = vectors.shape
    blocks = rows // block

    def constant(name: str, value: NDArray[Any] | np.generic) -> str:
        graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        graph.node.append(helper.make_node(kind, inputs, [output], name=f"search/{output}", **attributes))
        return output

    del graph.output[:]
    node("Identity", [_TOWER_OUT], names.OUT_QUERY)
    matrix = constant("item_matrix", np.ascontiguousarray(vectors.T))
    if vectors.dtype == np.int8:
        scaled = _int8_products(node, constant, matrix)
    else:
        scaled = node("MatMul", [names.OUT_QUERY, matrix], "scaled")
    scores = node("Mul", [scaled, constant("item_scales", scales[None].astype(np.float32))], "all_scores")
    never = constant("never", np.float32(-np.inf))
    scores = node("Where", [names.IN_ITEM_MASK, scores, never], "masked")
    nothing = node("Expand", [never, node("Shape", [names.IN_EXCLUDE_ROWS], "exclude_shape")], "nothing")
    scores = node("ScatterElements", [scores, names.IN_EXCLUDE_ROWS, nothing], "allowed", axis=1)
    if block == 1:
        graph.node.append(
            helper.make_node("TopK", [scores, names.IN_TOP_K], [names.OUT_SCORES, names.OUT_ROWS], axis=1)
        )
    else:
        split = node("Reshape", [scores, constant("split_shape", _ints(0, blocks, block))], "blocked")
        maxima = node("ReduceMax", [split, constant("axis_2", _ints(2))], "maxima", keepdims=0)
        count = node("Min", [names.IN_TOP_K, constant("blocks", _ints(blocks))], "block_count")
        graph.node.append(helper.make_node("TopK", [maxima, count], ["best_maxima", "best_blocks"], axis=1))
        deep = node("Unsqueeze", ["best_blocks", constant("axis_last", _ints(-1))], "best_blocks_deep")
        kept = node("GatherND", [split, deep], "kept", batch_dims=1)
        first = node("Mul", [deep, constant("block", _ints(block))], "first_rows")
        kept_rows = node("Add", [first, constant("in_block", np.arange(block, dtype=np.int64))], "kept_rows")
        flat_shape = constant("flat_shape", _ints(0, -1))
        kept, kept_rows = (
            node("Reshape", [kept, flat_shape], "flat"),
            node("Reshape", [kept_rows, flat_shape], "flat_rows"),
        )
        graph.node.append(helper.make_node("TopK", [kept, names.IN_TOP_K], [names.OUT_SCORES, "places"], axis=1))
        node("GatherElements", [kept_rows, "places"], names.OUT_ROWS, axis=1)
    graph.input.extend(
        [
            helper.make_tensor_value_info(names.IN_ITEM_MASK, TensorProto.BOOL, ["masks", rows]),
            helper.make_tensor_value_info(names.IN_EXCLUDE_ROWS, TensorProto.INT64, ["batch", "excluded"]),
            helper.make_tensor_value_info(names.IN_TOP_K, TensorProto.INT64, [1]),
        ]
    )
    graph.output.extend(
        [
            helper.make_tensor_value_info(names.OUT_SCORES, TensorProto.FLOAT, ["batch", "top_k"]),
            helper.make_tensor_value_info(names.OUT_ROWS, TensorProto.INT64, ["batch", "top_k"]),
            helper.make_tensor_value_info(names.OUT_QUERY, TensorProto.FLOAT, ["batch", dim]),
        ]
    )


def _int8_products(node: Callable[..., str], constant: Callable[..., str], matrix: str) -> str:
    """The nodes from the query vector to its products with an int8 matrix, in the query's units."""
    # Each row of the query is quantised on its own: one scale for a batch would let requests move each other.
    largest = node("ReduceMax", [node("Abs", [names.OUT_QUERY], "absolute"), constant("axis_1", _ints(1))], "largest")
    unit = node("Div", [largest, constant("limit", np.float32(127))], "unit")
    unit = node("Max", [unit, constant("least", np.float32(1e-12))], "query_scale")
    steps = node("Round", [node("Div", [names.OUT_QUERY, unit], "in_units")], "steps")
    shifted = node("Add", [steps, constant("shift", np.float32(_ZERO_POINT))], "shifted")
    query = node("Cast", [shifted], "quantised_query", to=TensorProto.UINT8)
    products = node("MatMulInteger", [query, matrix, constant("zero_point", np.uint8(_ZERO_POINT))], "products")
    return node("Mul", [node("Cast", [products], "real", to=TensorProto.FLOAT), unit], "scaled")


def _ints(*values: int) -> NDArray[np.int64]:
    return np.array(values, dtype=np.int64)
