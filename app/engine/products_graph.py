"""Whether a graph multiplies query vectors with all items as the kernel does, and has the same items."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.artifact import names
from app.engine.graph_cut import NotCut
from app.engine.graph_steps import steps_of
from app.engine.kernels.nearest import LARGEST_DIM, ItemVectors

_STEPS: Final = (
    ("Abs", names.OUT_QUERY, "absolute"),
    ("ReduceMax", "absolute", "axis_1", "largest"),
    ("Div", "largest", "limit", "unit"),
    ("Max", "unit", "least", names.OUT_QUERY_UNIT),
    ("Div", names.OUT_QUERY, names.OUT_QUERY_UNIT, "in_units"),
    ("Round", "in_units", "steps"),
    ("Add", "steps", "shift", "shifted"),
    ("Cast", "shifted", "quantised_query"),
    ("MatMulInteger", "quantised_query", "item_matrix", "zero_point", names.OUT_PRODUCTS),
)
"""Operator, what it reads and what it writes, as the exporter makes them."""
_NUMBERS: Final = {"axis_1": 1, "limit": np.float32(127), "least": np.float32(1e-12), "shift": 128, "zero_point": 128}
_ROWS_AT_ONCE: Final = 65_536


def read_products(products: bytes, codes: NDArray[np.int8], score_scales: NDArray[np.float32]) -> ItemVectors:
    """The items as the kernel reads them.

    Args:
        products: the part of the model between query vectors and products.
        codes: `[rows, dim]`, the items' vectors in the bundle; the model has to have the same.
        score_scales: `[rows]`, see `RankTables`.

    Raises:
        NotCut: the model does something else, or has other items.
    """
    try:
        nodes, constants = steps_of(products)
        steps = tuple((node.kind, *node.reads, *node.writes) for node in nodes)
        if steps != _STEPS or any(constants[name].item() != value for name, value in _NUMBERS.items()):
            raise NotCut("the products have other steps than the kernel")
        matrix = constants["item_matrix"]
    except (IndexError, UnicodeDecodeError, ValueError, KeyError) as error:
        raise NotCut(f"no products with items: {error}") from error
    if codes.shape[1] > LARGEST_DIM or matrix.dtype != np.int8 or not _are_transposed(matrix, codes):
        raise NotCut("the items of the graph are not those of the bundle")
    return ItemVectors(codes, score_scales)


def _are_transposed(matrix: NDArray[Any], codes: NDArray[np.int8]) -> bool:
    parts = (slice(start, start + _ROWS_AT_ONCE) for start in range(0, len(codes), _ROWS_AT_ONCE))
    return matrix.shape == codes.shape[::-1] and all(np.array_equal(matrix[:, part].T, codes[part]) for part in parts)
