"""`retrieve.onnx`: the query tower, then the exact int8 inner-product search with masks and top-k inside."""

import math
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from app.artifact import names
from offline.export.graph_writer import GraphWriter, ints, is_added, save_checked
from offline.export.tower_graph import TOWER_OUT

_BLOCKS = ((20_000, 1), (50_000, 16), (200_000, 32), (math.inf, 64))
"""Up to so many rows, the block of the two-step top-k: the best k items lie in the k blocks with the best maxima."""
_ZERO_POINT = 128


def block_of(items: int) -> int:
    """The block of the top-k for a catalogue of that size; 1 searches in one step."""
    return next(block for most, block in _BLOCKS if items <= most)


def padded_rows(items: int) -> int:
    """Columns of the item matrix: the padding row, the items, and filler up to whole blocks."""
    block = block_of(items)
    return -(-(items + 1) // block) * block


def write_search(
    path: Path,
    model: onnx.ModelProto,
    vectors: NDArray[np.int8] | NDArray[np.float32],
    scales: NDArray[np.float32],
    block: int,
) -> None:
    """Put the search behind an exported tower, which is used up, and write both.

    Args:
        model: from `export_tower`.
        vectors: `[rows, dim]`; in float32 the search is the reference of compression, not what a bundle holds.
        scales: `[rows]`.
        block: of the top-k.

    Raises:
        TrainingError: the graph that came out is not valid.
    """
    _append_search(GraphWriter(model.graph), vectors, scales, block)
    save_checked(model, path)


def read_tower(path: Path) -> onnx.ModelProto:
    """The tower alone, as `export_tower` gave it, of a graph that `write_search` wrote."""
    model = onnx.load(str(path))
    graph = model.graph
    nodes = [node for node in graph.node if not is_added(node)]
    read = {name for node in nodes for name in node.input}
    for entries in (graph.input, graph.initializer, graph.value_info):
        kept = [entry for entry in entries if entry.name in read]
        del entries[:]
        entries.extend(kept)
    del graph.node[:], graph.output[:]
    graph.node.extend(nodes)
    return model


def _append_search(
    to: GraphWriter,
    vectors: NDArray[np.int8] | NDArray[np.float32],
    scales: NDArray[np.float32],
    block: int,
) -> None:
    """The nodes from the query vector to scores and rows."""
    rows, dim = vectors.shape
    blocks = rows // block
    node, constant = to.node, to.constant

    del to.graph.output[:]
    node("Identity", [TOWER_OUT], names.OUT_QUERY)
    matrix = constant("item_matrix", np.ascontiguousarray(vectors.T))
    if vectors.dtype == np.int8:
        scaled = _int8_products(to, matrix)
    else:
        scaled = node("MatMul", [names.OUT_QUERY, matrix], "scaled")
    scores = node("Mul", [scaled, constant("item_scales", scales[None].astype(np.float32))], "all_scores")
    never = constant("never", np.float32(-np.inf))
    scores = node("Where", [names.IN_ITEM_MASK, scores, never], "masked")
    nothing = node("Expand", [never, node("Shape", [names.IN_EXCLUDE_ROWS], "exclude_shape")], "nothing")
    scores = node("ScatterElements", [scores, names.IN_EXCLUDE_ROWS, nothing], "allowed", axis=1)
    if block == 1:
        to.nodes("TopK", [scores, names.IN_TOP_K], [names.OUT_SCORES, names.OUT_ROWS], axis=1)
    else:
        count = node("Min", [names.IN_TOP_K, constant("blocks", ints(blocks))], "block_count")
        kept, kept_rows = best_blocks(to, scores, count, blocks, block)
        to.nodes("TopK", [kept, names.IN_TOP_K], [names.OUT_SCORES, "places"], axis=1)
        node("GatherElements", [kept_rows, "places"], names.OUT_ROWS, axis=1)
    to.input(names.IN_ITEM_MASK, TensorProto.BOOL, ["masks", rows])
    to.input(names.IN_EXCLUDE_ROWS, TensorProto.INT64, ["batch", "excluded"])
    to.input(names.IN_TOP_K, TensorProto.INT64, [1])
    to.output(names.OUT_SCORES, TensorProto.FLOAT, ["batch", "top_k"])
    to.output(names.OUT_ROWS, TensorProto.INT64, ["batch", "top_k"])
    to.output(names.OUT_QUERY, TensorProto.FLOAT, ["batch", dim])


def best_blocks(to: GraphWriter, scores: str, count: str, blocks: int, block: int) -> tuple[str, str]:
    """The nodes that keep the `count` blocks with the largest maxima.

    Args:
        to: the graph.
        scores: `[batch, blocks * block]`.
        count: int64 `[1]`, at most `blocks`.
        blocks: how many there are.
        block: scores in one.

    Returns:
        Scores and rows `[batch, count * block]` of what is kept.
    """
    node, constant = to.node, to.constant
    split = node("Reshape", [scores, constant("split_shape", ints(0, blocks, block))], "blocked")
    maxima = node("ReduceMax", [split, constant("axis_2", ints(2))], "maxima", keepdims=0)
    to.nodes("TopK", [maxima, count], ["best_maxima", "best_blocks"], axis=1)
    deep = node("Unsqueeze", ["best_blocks", constant("axis_last", ints(-1))], "best_blocks_deep")
    kept = node("GatherND", [split, deep], "kept", batch_dims=1)
    first = node("Mul", [deep, constant("block", ints(block))], "first_rows")
    kept_rows = node("Add", [first, constant("in_block", np.arange(block, dtype=np.int64))], "kept_rows")
    flat_shape = constant("flat_shape", ints(0, -1))
    return node("Reshape", [kept, flat_shape], "flat"), node("Reshape", [kept_rows, flat_shape], "flat_rows")


def _int8_products(to: GraphWriter, matrix: str) -> str:
    """The nodes from the query vector to its products with an int8 matrix, in the query's units."""
    node, constant = to.node, to.constant
    # Each row of the query is quantised on its own: one scale for a batch would let requests move each other.
    largest = node("ReduceMax", [node("Abs", [names.OUT_QUERY], "absolute"), constant("axis_1", ints(1))], "largest")
    unit = node("Div", [largest, constant("limit", np.float32(127))], "unit")
    unit = node("Max", [unit, constant("least", np.float32(1e-12))], names.OUT_QUERY_UNIT)
    steps = node("Round", [node("Div", [names.OUT_QUERY, unit], "in_units")], "steps")
    shifted = node("Add", [steps, constant("shift", np.float32(_ZERO_POINT))], "shifted")
    query = node("Cast", [shifted], "quantised_query", to=TensorProto.UINT8)
    products = node("MatMulInteger", [query, matrix, constant("zero_point", np.uint8(_ZERO_POINT))], names.OUT_PRODUCTS)
    return node("Mul", [node("Cast", [products], "real", to=TensorProto.FLOAT), unit], "scaled")
