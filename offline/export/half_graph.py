"""`retrieve.fp16.onnx`: the same tower and search for a GPU, with the item matrix as an input in half precision.

The matrix stays on the device from one run to the next, so it is no part of the file. Products are taken in fp16 with
sums in fp32, which is what CUDA's matrix products do; what they find, and some more, is scored again in fp32, so that
the order does not hang on the last bits of a half. The tower runs in fp32: it is small, and takes the time of starting
its kernels. Counts come in as inputs, since the kernels that take them read them on the host.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto

from app.artifact import names
from offline.export.graph_writer import GraphWriter, ints, save_checked
from offline.export.retrieve_graph import best_blocks
from offline.export.tower_graph import TOWER_OUT

_LOWEST = np.float16(np.finfo(np.float16).min)


def write_half_search(path: Path, model: onnx.ModelProto, rows: int, dim: int, block: int) -> None:
    """Put the search in half precision behind an exported tower, which is used up, and write both.

    Args:
        model: from `export_tower`.
        rows: of the item matrix, a multiple of the block.
        dim: numbers in an item vector.
        block: of the top-k.

    Raises:
        TrainingError: the graph that came out is not valid.
    """
    _append_search(GraphWriter(model.graph), rows, dim, block)
    save_checked(model, path, {names.HALF_BLOCKS: str(rows // block)} if block > 1 else None)


def _append_search(to: GraphWriter, rows: int, dim: int, block: int) -> None:
    """The nodes from the query vector to scores and rows."""
    node, constant = to.node, to.constant
    del to.graph.output[:]
    matrix = to.input(names.IN_ITEM_MATRIX, TensorProto.FLOAT16, [rows, dim])
    mask = to.input(names.IN_ITEM_MASK, TensorProto.BOOL, ["masks", rows])
    excluded = to.input(names.IN_EXCLUDE_ROWS, TensorProto.INT64, ["batch", "excluded"])
    never = to.input(names.IN_NEVER, TensorProto.FLOAT16, ["batch", "excluded"])
    unit = to.input(names.IN_MATRIX_UNIT, TensorProto.FLOAT, [1])
    top_k, wide_k = (to.input(name, TensorProto.INT64, [1]) for name in (names.IN_TOP_K, names.IN_WIDE_K))

    query = node("Identity", [TOWER_OUT], names.OUT_QUERY)
    # A row's largest number becomes 1, so that no sum leaves the range of a half.
    largest = node("ReduceMax", [node("Abs", [query], "absolute"), constant("axis_1", ints(1))], "largest")
    safe = node("Max", [largest, constant("least", np.float32(1e-12))], "query_unit")
    half = node("Cast", [node("Div", [query, safe], "in_units")], "half_query", to=TensorProto.FLOAT16)
    scores = node("Gemm", [half, matrix], "all_scores", transB=1)
    scores = node("Where", [mask, scores, constant("none", np.float16(-np.inf))], "masked")
    scores = node("ScatterElements", [scores, excluded, never], "allowed", axis=1)
    if block == 1:
        to.nodes("TopK", [scores, wide_k], ["wide_scores", "wide_rows"], axis=1)
    else:
        block_count = to.input(names.IN_BLOCK_COUNT, TensorProto.INT64, [1])
        kept, kept_rows = best_blocks(to, scores, block_count, rows // block, block)
        to.nodes("TopK", [kept, wide_k], ["wide_scores", "wide_places"], axis=1)
        node("GatherElements", [kept_rows, "wide_places"], "wide_rows", axis=1)

    vectors = node("Cast", [node("Gather", [matrix, "wide_rows"], "wide_half", axis=0)], "wide", to=TensorProto.FLOAT)
    column = node("Unsqueeze", [query, constant("axis_2_", ints(2))], "query_column")
    again = node("Squeeze", [node("MatMul", [vectors, column], "products"), "axis_2_"], "again")
    again = node("Mul", [again, unit], "exact")
    barred = node("Less", ["wide_scores", constant("lowest", _LOWEST)], "barred")
    again = node("Where", [barred, constant("nothing", np.float32(-np.inf)), again], "exact_allowed")
    to.nodes("TopK", [again, top_k], [names.OUT_SCORES, "places"], axis=1)
    node("GatherElements", ["wide_rows", "places"], names.OUT_ROWS, axis=1)
    to.output(names.OUT_SCORES, TensorProto.FLOAT, ["batch", "top_k"])
    to.output(names.OUT_ROWS, TensorProto.INT64, ["batch", "top_k"])
    to.output(names.OUT_QUERY, TensorProto.FLOAT, ["batch", dim])
