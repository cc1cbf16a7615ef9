"""What a student in whole numbers is worth: how near it is to itself before, to its teacher, and how fast."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from app.artifact.names import IN_TOKENS, OUT_TEXT_VECTOR

NEAREST: Final = 10
LEAST_FAITHFUL: Final = 0.6
"""Of the items that the teacher's own vectors find in as many dimensions, the share that a student has to find: of one
that finds less searches are worse than without."""
LEAST_MEASURED: Final = 20
"""Held-out queries that it takes to tell."""
_TIMED: Final = 60
_LENGTHS: Final = (6, 12)
_MEASURED: Final = 500  # queries
_MOST_ITEMS: Final = 50_000


class GraphRunner:
    """A graph of a student, run by one thread.

    Args:
        model: see `student_graph`.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def vector(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """The vector `[width]` of a text's tokens."""
        outputs = self._session.run((OUT_TEXT_VECTOR,), {IN_TOKENS: np.array([ids], dtype=np.int64)})
        vector: NDArray[np.float32] = outputs[0][0]
        return vector

    def milliseconds(self, tokens: int, highest: int) -> float:
        """The median time of a text of so many tokens, drawn up to a number."""
        rng = np.random.default_rng(0)
        times = []
        for _ in range(_TIMED):
            ids = rng.integers(highest + 1, size=tokens).tolist()
            began = time.perf_counter()
            self.vector(ids)
            times.append(time.perf_counter() - began)
        return 1000 * float(np.median(times))


@dataclass(frozen=True)
class Truth:
    """Held-out queries: their tokens, and what they should come to."""

    tokens: list[list[int]]
    exact: NDArray[np.float32]  # [queries, width] of the student in full precision
    teacher: NDArray[np.float32]  # [queries, teacher's width]
    items: NDArray[np.float32]  # [items, teacher's width]
    projected_items: NDArray[np.float32]  # [items, width]
    projected_teacher: NDArray[np.float32]  # [queries, width]


def measure(model: onnx.ModelProto, truth: Truth, highest: int) -> dict[str, Any]:
    """The figures of a student's graph.

    Args:
        model: its graph.
        truth: what it is compared with.
        highest: number of a token.
    """
    runner = GraphRunner(model)
    count = min(_MEASURED, len(truth.tokens))
    vectors = np.array([runner.vector(ids) for ids in truth.tokens[:count]], dtype=np.float32).reshape(count, -1)
    figures: dict[str, Any] = {"megabytes": round(len(model.SerializeToString()) / 1e6, 2)}
    figures |= {f"ms_{tokens}_tokens": round(runner.milliseconds(tokens, highest), 3) for tokens in _LENGTHS}
    if not count:
        return figures
    items, projected_items = truth.items[:_MOST_ITEMS], truth.projected_items[:_MOST_ITEMS]
    nearest = _nearest(truth.teacher[:count], items)
    return figures | {
        "held_out": count,
        "cosine_to_exact": round(_cosine(vectors, truth.exact[:count]), 4),
        "cosine_to_teacher": round(_cosine(vectors, truth.projected_teacher[:count]), 4),
        "overlap_at_10": round(_overlap(_nearest(vectors, projected_items), nearest), 4),
        "overlap_at_10_projected_teacher": round(
            _overlap(_nearest(truth.projected_teacher[:count], projected_items), nearest), 4
        ),
    }


def faithfulness(figures: Mapping[str, Any]) -> float | None:
    """The share of the nearest items by the teacher's own vectors, in as many dimensions, that a student finds, of its
    `figures`; None where too few queries tell."""
    if figures.get("held_out", 0) < LEAST_MEASURED:
        return None
    return float(figures["overlap_at_10"] / max(figures["overlap_at_10_projected_teacher"], 1e-9))


def is_faithful(figures: Mapping[str, Any]) -> bool:
    """Whether a student with these figures is known to be any use."""
    share = faithfulness(figures)
    return share is not None and share >= LEAST_FAITHFUL


def _cosine(vectors: NDArray[np.float32], others: NDArray[np.float32]) -> float:
    return float((vectors * others).sum(axis=1).mean())


def _nearest(queries: NDArray[np.float32], items: NDArray[np.float32]) -> NDArray[np.int64]:
    """The rows of the nearest items of each query, in no order."""
    most = min(NEAREST, len(items))
    return np.array([np.argpartition(-(items @ query), most - 1)[:most] for query in queries], dtype=np.int64)


def _overlap(nearest: NDArray[np.int64], others: NDArray[np.int64]) -> float:
    shares = [len(set(one) & set(other)) / max(len(one), 1) for one, other in zip(nearest, others, strict=True)]
    return float(np.mean(shares))
