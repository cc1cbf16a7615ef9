"""What the graphs of a bundle take and give, compared with the tables that they are run with."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from app.artifact import names
from app.artifact.array_checks import require
from app.artifact.manifest import Shapes
from app.artifact.rank_features import FEATURES

Signature = Mapping[str, tuple[str, tuple[int | None, ...]]]
"""Tensors by name: their type, and their lengths; `None` is one that differs from run to run."""

_FLOAT: Final = "tensor(float)"
_INT: Final = "tensor(int64)"
_BOOL: Final = "tensor(bool)"
_HALF: Final = "tensor(float16)"


def retrieval_inputs(shapes: Shapes) -> dict[str, tuple[str, tuple[int | None, ...]]]:
    """What `retrieve.onnx` takes."""
    window, dim = shapes.window, shapes.dim
    return {
        names.IN_EVENT_VECTORS: (_FLOAT, (None, window, dim)),
        names.IN_EVENT_TYPES: (_INT, (None, window)),
        names.IN_AGE_BUCKETS: (_INT, (None, window)),
        names.IN_LONG_VECTOR: (_FLOAT, (None, dim)),
        names.IN_LONG_WEIGHT: (_FLOAT, (None, 1)),
        names.IN_GIVEN_QUERY: (_FLOAT, (None, dim)),
        names.IN_GIVEN: (_BOOL, (None, 1)),
        names.IN_ITEM_MASK: (_BOOL, (None, shapes.rows)),
        names.IN_EXCLUDE_ROWS: (_INT, (None, None)),
        names.IN_TOP_K: (_INT, (1,)),
    }


def tower_inputs(shapes: Shapes) -> Signature:
    """What the query tower in `retrieve.onnx` takes."""
    of_search = {names.IN_ITEM_MASK, names.IN_EXCLUDE_ROWS, names.IN_TOP_K}
    return {name: tensor for name, tensor in retrieval_inputs(shapes).items() if name not in of_search}


def half_inputs(shapes: Shapes) -> Signature:
    """What `retrieve.fp16.onnx` takes, but for the count of blocks, which not every one has."""
    return {
        **retrieval_inputs(shapes),
        names.IN_ITEM_MATRIX: (_HALF, (shapes.rows, shapes.dim)),
        names.IN_MATRIX_UNIT: (_FLOAT, (1,)),
        names.IN_NEVER: (_HALF, (None, None)),
        names.IN_WIDE_K: (_INT, (1,)),
    }


def check_retriever(path: Path, session: Any, shapes: Shapes, *, in_half: bool = False) -> None:
    """Check a graph of retrieval.

    Raises:
        BundleCorrupt: it takes or gives something else.
    """
    inputs = half_inputs(shapes) if in_half else retrieval_inputs(shapes)
    taken = [tensor for tensor in session.get_inputs() if not (in_half and tensor.name == names.IN_BLOCK_COUNT)]
    _check(path, "input", taken, inputs)
    outputs: Signature = {
        names.OUT_SCORES: (_FLOAT, (None, None)),
        names.OUT_ROWS: (_INT, (None, None)),
        names.OUT_QUERY: (_FLOAT, (None, shapes.dim)),
    }
    _check(path, "output", session.get_outputs(), outputs)


def check_tower(path: Path, session: Any, shapes: Shapes) -> None:
    """Check a graph of retrieval that was cut behind the query tower.

    Raises:
        BundleCorrupt: it takes or gives something else.
    """
    _check(path, "input", session.get_inputs(), tower_inputs(shapes))
    _check(path, "output", session.get_outputs(), {names.OUT_QUERY: (_FLOAT, (None, shapes.dim))})


def check_products(path: Path, session: Any, shapes: Shapes) -> None:
    """Check what a graph of retrieval does with query vectors, cut before the best items are found.

    Raises:
        BundleCorrupt: it takes or gives something else.
    """
    _check(path, "input", session.get_inputs(), {names.OUT_QUERY: (_FLOAT, (None, shapes.dim))})
    outputs: Signature = {
        names.OUT_PRODUCTS: ("tensor(int32)", (None, shapes.rows)),
        names.OUT_QUERY_UNIT: (_FLOAT, (None, 1)),
    }
    _check(path, "output", session.get_outputs(), outputs)


def check_ranker(path: Path, session: Any, behaviours: int) -> None:
    """Check `rank.onnx`, which predicts so many behaviours.

    Raises:
        BundleCorrupt: it takes or gives something else.
    """
    _check(path, "input", session.get_inputs(), {names.IN_FEATURES: (_FLOAT, (None, len(FEATURES)))})
    outputs: Signature = {names.OUT_ORDER: (_FLOAT, (None,)), names.OUT_CHAIN: (_FLOAT, (None, behaviours))}
    _check(path, "output", session.get_outputs(), outputs)


def _check(path: Path, kind: str, tensors: list[Any], signature: Signature) -> None:
    by_name = {tensor.name: tensor for tensor in tensors}
    known = ", ".join(sorted(signature))
    require(set(by_name) == set(signature), path, f"the {kind}s {known}", ", ".join(sorted(by_name)) or "none")
    for name, (element, lengths) in signature.items():
        shape = list(by_name[name].shape)
        fits = by_name[name].type == element and len(shape) == len(lengths)
        # A length that has a name in the graph takes any number.
        fits = fits and all(
            not isinstance(have, int) or have == want for have, want in zip(shape, lengths, strict=True)
        )
        shown = ", ".join("any" if want is None else str(want) for want in lengths)
        require(fits, path, f"the {kind} {name} as {element} [{shown}]", f"{by_name[name].type} {shape}")
