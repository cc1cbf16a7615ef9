"""Retrieval on a GPU: the item matrix stays there in half precision, and requests go in by buckets of few shapes."""

import logging
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from app.artifact import names
from app.artifact.event_features import age_buckets
from app.artifact.manifest import Shapes
from app.artifact.quantise import half_matrix
from app.engine.candidates import Candidates, candidates_from_graph
from app.engine.catalogue import Items
from app.engine.device_runs import DeviceRuns, no_capture, opening_session
from app.engine.graph_checks import check_retriever
from app.engine.requests import ALL_ITEMS, ItemMask, RequestBatch, blank_batch
from app.engine.retriever import Retriever, open_retriever
from app.engine.runtime import (
    CPU,
    CUDA,
    nodes_in,
    open_device_session,
    require_on_device,
    runtime,
    runtime_errors,
)
from app.errors import BundleUnfit

LARGEST_BATCH: Final = 64
"""Requests in one run; a larger batch takes several."""
_LEAST_EXCLUDED: Final = 16


def batch_bucket(size: int) -> int:
    """The power of two that holds `size` requests, of which there are 1 to `LARGEST_BATCH`."""
    if not 1 <= size <= LARGEST_BATCH:
        raise ValueError(f"expected 1 to {LARGEST_BATCH} requests in one run, got {size}: split the batch")
    return 1 << (size - 1).bit_length()


def excluded_bucket(width: int) -> int:
    """A power of four that holds lists of `width` excluded rows, at least 16."""
    bucket = _LEAST_EXCLUDED
    while bucket < width:
        bucket *= 4
    return bucket


def padded(values: NDArray[Any], *shape: int) -> NDArray[Any]:
    """`values` in an array of the given shape, followed by zeros."""
    if values.shape == shape:
        return np.ascontiguousarray(values)
    wide = np.zeros(shape, dtype=values.dtype)
    wide[tuple(slice(0, size) for size in values.shape)] = values
    return wide


log = logging.getLogger(__name__)

SLACK: Final = 64
"""Extra candidates that are scored again in full precision, since float16 may swap close neighbours."""


@dataclass(frozen=True)
class Device:
    """Where the graph in half precision runs: `cuda` to serve, or `cpu` to check the graph."""

    kind: Literal["cpu", "cuda"]
    memory_mb: int = 0  # limit, besides the item matrix; 0 for no limit
    captures: bool = True  # whether the kernels of runs on CUDA are captured once and replayed

    @property
    def provider(self) -> str:
        """The name of its execution provider in ONNX Runtime."""
        return CUDA if self.kind == "cuda" else CPU


class GpuRetriever:
    """`retrieve.fp16.onnx`, opened on a device. Its inputs and outputs lie in buffers that are used again.

    After the first failure of the device, every run goes to the retriever that `open_fallback` opens, and the log says
    so.

    Args:
        score_scales: `[rows]`, see `RankTables`.
        open_fallback: opens the retriever on the CPU.
    """

    def __init__(
        self,
        session: Any,
        items: Items,
        score_scales: NDArray[np.float32],
        device: Device,
        open_fallback: Callable[[], Retriever],
    ) -> None:
        self._runs = DeviceRuns(session, device.kind)
        self._items = items
        self.device: str = device.kind
        self._ort_device = device.kind
        self._rows = items.selectable.shape[1]
        self._by_blocks = any(tensor.name == names.IN_BLOCK_COUNT for tensor in session.get_inputs())
        self._blocks = int(session.get_modelmeta().custom_metadata_map.get(names.HALF_BLOCKS, 0))
        self._buffers: dict[tuple[str, tuple[int, ...]], Any] = {}
        self._open_fallback = open_fallback
        self._fallback: Retriever | None = None
        matrix, unit = half_matrix(items.vectors, score_scales)
        self._matrix, self._unit = self._to_device(matrix), self._to_device(unit)
        self._all_items = self._to_device(items.selectable)

    def __del__(self) -> None:
        """Free the device's memory."""
        with no_capture():
            self.__dict__.clear()

    @property
    def has_failed(self) -> bool:
        """Whether the device has failed, so that the CPU answers."""
        return self._fallback is not None

    def run(
        self,
        batch: RequestBatch,
        depth: int,
        item_mask: ItemMask = ALL_ITEMS,
        event_vectors: NDArray[np.float32] | None = None,
    ) -> Candidates:
        """As `Retriever.run`. Scores differ from it, and alone from in a batch, by rounding only."""
        if self._fallback is None:
            try:
                return self.run_on_device(batch, depth, item_mask, event_vectors)
            except runtime_errors() as error:
                reason = str(error).partition("\n")[0]
                log.exception("the GPU fails; retrieval goes on on the CPU", extra={"reason": reason})
                self._fallback = self._open_fallback()
                self.device = self._fallback.device
        return self._fallback.run(batch, depth, item_mask, event_vectors)

    def query_vectors(
        self, batch: RequestBatch, event_vectors: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """As `Retriever.query_vectors`, but for rounding."""
        return self.run(batch.without_excluded(), 1, ALL_ITEMS, event_vectors).query_vectors

    def run_on_device(
        self,
        batch: RequestBatch,
        depth: int,
        item_mask: ItemMask = ALL_ITEMS,
        event_vectors: NDArray[np.float32] | None = None,
    ) -> Candidates:
        """As `run`, but raises the runtime's error where the device fails."""
        parts = []
        vectors = self._items.vectors_of(batch.event_rows) if event_vectors is None else event_vectors
        for start in range(0, len(batch), LARGEST_BATCH):
            part = slice(start, start + LARGEST_BATCH)
            parts.append(self._run(batch.take(part), min(depth, self._rows), item_mask.take(part), vectors[part]))
        scores, rows, queries = (np.concatenate(outputs) for outputs in zip(*parts, strict=True))
        return candidates_from_graph(scores, rows, queries)

    def _run(
        self, batch: RequestBatch, depth: int, item_mask: ItemMask, event_vectors: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]:
        size, width = batch_bucket(len(batch)), excluded_bucket(batch.exclude_rows.shape[1])
        masks = 0 if item_mask.allowed is None else len(item_mask.allowed)
        outputs = {
            names.OUT_SCORES: ((size, depth), np.float32),
            names.OUT_ROWS: ((size, depth), np.int64),
            names.OUT_QUERY: ((size, batch.long_vector.shape[1]), np.float32),
        }
        scores, rows, queries = self._runs.run(
            (size, width, depth, min(masks, 2)),
            lambda: self._fill_buffers(batch, depth, item_mask, event_vectors),
            outputs,
        )
        return scores[: len(batch)], rows[: len(batch)], queries[: len(batch)]

    def _fill_buffers(
        self, batch: RequestBatch, depth: int, item_mask: ItemMask, event_vectors: NDArray[np.float32]
    ) -> Mapping[str, Any]:
        """The buffers of the batch's bucket, holding the batch."""
        size = batch_bucket(len(batch))
        window, dim = batch.event_rows.shape[1], batch.long_vector.shape[1]
        width = excluded_bucket(batch.exclude_rows.shape[1])
        given_query = np.zeros((1, dim), np.float32) if batch.given_query is None else batch.given_query
        given = np.zeros(1, np.bool_) if batch.given is None else batch.given
        ages = age_buckets(batch.event_times, batch.now[:, None])
        wide = min(depth + SLACK, self._rows)
        values: dict[str, NDArray[Any]] = {
            names.IN_EVENT_VECTORS: padded(event_vectors, size, window, dim),
            names.IN_EVENT_TYPES: padded(batch.event_types.astype(np.int64), size, window),
            names.IN_AGE_BUCKETS: padded(ages, size, window),
            names.IN_LONG_VECTOR: padded(batch.long_vector, size, dim),
            names.IN_LONG_WEIGHT: padded(batch.long_weight[:, None], size, 1),
            names.IN_GIVEN_QUERY: padded(given_query, size, dim),
            names.IN_GIVEN: padded(given[:, None], size, 1),
            names.IN_EXCLUDE_ROWS: padded(batch.exclude_rows, size, width),
        }
        inputs = {name: self._buffer(name, value) for name, value in values.items()}
        inputs |= {names.IN_ITEM_MATRIX: self._matrix, names.IN_MATRIX_UNIT: self._unit}
        inputs[names.IN_ITEM_MASK] = self._mask(item_mask, size)
        inputs[names.IN_NEVER] = self._never(size, width)
        for name, count in ((names.IN_TOP_K, depth), (names.IN_WIDE_K, wide)):
            inputs[name] = self._on_host(count)
        if self._by_blocks:
            inputs[names.IN_BLOCK_COUNT] = self._on_host(min(wide, self._blocks))
        return inputs

    def _mask(self, item_mask: ItemMask, size: int) -> Any:
        if item_mask.allowed is None:
            return self._all_items
        masks = 1 if len(item_mask.allowed) == 1 else size
        return self._buffer(names.IN_ITEM_MASK, padded(item_mask.allowed, masks, self._rows))

    def _buffer(self, name: str, value: NDArray[Any]) -> Any:
        """The buffer of that name and shape on the device, holding `value`."""
        key = (name, value.shape)
        if key in self._buffers:
            self._buffers[key].update_inplace(value)
        else:
            self._buffers[key] = self._to_device(value.copy())  # on the CPU a buffer is the very array that it is given
        return self._buffers[key]

    def _never(self, size: int, width: int) -> Any:
        key = (names.IN_NEVER, (size, width))
        if key not in self._buffers:
            self._buffers[key] = self._to_device(np.full((size, width), -np.inf, dtype=np.float16))
        return self._buffers[key]

    def _to_device(self, value: NDArray[Any]) -> Any:
        return runtime().OrtValue.ortvalue_from_numpy(np.ascontiguousarray(value), self._ort_device, 0)

    def _on_host(self, count: int) -> Any:
        """A number that kernels read on the host."""
        return runtime().OrtValue.ortvalue_from_numpy(np.array([count], dtype=np.int64), "cpu", 0)


def open_gpu_retriever(
    folder: Path, items: Items, score_scales: NDArray[np.float32], device: Device, shapes: Shapes
) -> GpuRetriever:
    """The retriever of the bundle in `folder` on a device, after one run that checks where its nodes run.

    Args:
        score_scales: `[rows]`, see `RankTables`.
        shapes: of the bundle.

    Raises:
        DeviceUnavailable: there is no device.
        BundleUnfit: the bundle has no such graph, or the device has no room for it or cannot run all of it.
        BundleCorrupt: the graph cannot be read, or takes something else.
    """
    path = folder / names.HALF_GRAPH
    if not path.exists():
        raise BundleUnfit(f"{folder}: has no {names.HALF_GRAPH}: export the bundle again, or serve with --device cpu")
    with opening_session(), tempfile.TemporaryDirectory(prefix="aisle-placement-") as folder_of_profile:
        profile = Path(folder_of_profile) / "run"
        session = open_device_session(path, device.provider, device.memory_mb, profile, captures=device.captures)
        check_retriever(path, session, shapes, in_half=True)
        try:
            on_cpu = partial(open_retriever, folder, items, score_scales, shapes)
            retriever = GpuRetriever(session, items, score_scales, device, on_cpu)
            retriever.run_on_device(blank_batch(1, shapes.window, shapes.dim), 1)
        except runtime_errors() as error:
            reason = str(error).partition("\n")[0]
            raise BundleUnfit(
                f"{path}: {device.provider} cannot run it ({reason}); the item matrix alone takes "
                f"{2 * items.vectors.size / 1e6:,.0f} MB of the device"
            ) from error
        require_on_device(nodes_in(Path(session.end_profiling())), device.provider)
    return retriever
