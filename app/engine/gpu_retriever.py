"""Retrieval on a GPU: the item matrix stays there in half precision, and requests go in by buckets of few shapes."""

import logging
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from app.artifact import names
from app.artifact.event_features import age_buckets
from app.artifact.quantise import half_matrix
from app.engine.candidates import Candidates, retrieved
from app.engine.catalogue import Items
from app.engine.requests import RequestBatch
from app.engine.retriever import Retriever
from app.engine.runtime import (
    CPU,
    CUDA,
    nodes_in,
    open_device_session,
    open_session,
    require_on_device,
    runtime,
    runtime_errors,
)
from app.errors import BundleUnfit

LARGEST_BATCH: Final = 64
"""Requests in one run; a larger batch takes several."""
_LEAST_EXCLUDED: Final = 16


def batch_bucket(size: int) -> int:
    """The power of two that holds `size` requests, at most `LARGEST_BATCH`.

    Args:
        size: 1 to `LARGEST_BATCH`.
    """
    if not 1 <= size <= LARGEST_BATCH:
        raise ValueError(f"expected 1 to {LARGEST_BATCH} requests in one run, came {size}")
    return 1 << (size - 1).bit_length()


def excluded_bucket(width: int) -> int:
    """A power of four that holds lists of `width` excluded rows, at least 16."""
    bucket = _LEAST_EXCLUDED
    while bucket < width:
        bucket *= 4
    return bucket


def padded(values: NDArray[Any], *shape: int) -> NDArray[Any]:
    """A copy of the given shape with `values` in its first places, and zeros behind."""
    if values.shape == shape:
        return np.ascontiguousarray(values)
    wide = np.zeros(shape, dtype=values.dtype)
    wide[tuple(slice(0, size) for size in values.shape)] = values
    return wide


log = logging.getLogger(__name__)

SLACK: Final = 64
"""Candidates beyond those asked for that are scored again, since halves may put neighbours in another order."""
_OUTPUTS: Final = (names.OUT_SCORES, names.OUT_ROWS, names.OUT_QUERY)


@dataclass(frozen=True)
class Device:
    """Where the graph in half precision runs: `cuda`, or `cpu`, where it is checked but never served from."""

    kind: Literal["cpu", "cuda"]
    memory_mb: int = 0  # at most, beside the item matrix; 0 for as much as it takes

    @property
    def provider(self) -> str:
        """What ONNX Runtime calls it."""
        return CUDA if self.kind == "cuda" else CPU


class HalfRetriever:
    """`retrieve.fp16.onnx`, opened on a device. One run at a time: its inputs lie in buffers that are used again.

    A device that fails is not asked again: from then on `instead` answers, and the log says so.

    Args:
        session: of ONNX Runtime.
        items: the item table.
        score_scales: `[rows]`, of a score.
        device: where the session runs.
        instead: opens what answers where the device fails.
    """

    def __init__(
        self,
        session: Any,
        items: Items,
        score_scales: NDArray[np.float32],
        device: Device,
        instead: Callable[[], Retriever],
    ) -> None:
        self._session = session
        self._items = items
        self.device: str = device.kind
        self._place = device.kind
        self._rows = items.selectable.shape[1]
        self._by_blocks = any(each.name == names.IN_BLOCK_COUNT for each in session.get_inputs())
        self._blocks = int(session.get_modelmeta().custom_metadata_map.get(names.HALF_BLOCKS, 0))
        self._buffers: dict[tuple[str, tuple[int, ...]], Any] = {}
        self._lock = Lock()
        self._open_instead = instead
        self._instead: Retriever | None = None
        matrix, unit = half_matrix(items.vectors, score_scales)
        self._matrix, self._unit, self._all_items = (self._placed(each) for each in (matrix, unit, items.selectable))

    @property
    def has_failed(self) -> bool:
        """Whether the CPU answers in the place of the device."""
        return self._instead is not None

    def run(self, batch: RequestBatch, depth: int, item_mask: NDArray[np.bool_] | None = None) -> Candidates:
        """As `Retriever.run`; equal to it but for rounding, and so are answers alone and in a batch."""
        if self._instead is None:
            try:
                return self.run_on_device(batch, depth, item_mask)
            except runtime_errors() as error:
                reason = str(error).partition("\n")[0]
                log.exception("the GPU fails; retrieval goes on on the CPU", extra={"reason": reason})
                self._instead = self._open_instead()
                self.device = self._instead.device
        return self._instead.run(batch, depth, item_mask)

    def run_on_device(self, batch: RequestBatch, depth: int, item_mask: NDArray[np.bool_] | None = None) -> Candidates:
        """The same, failing where the device does."""
        parts = []
        with self._lock:
            for start in range(0, len(batch), LARGEST_BATCH):
                part = slice(start, start + LARGEST_BATCH)
                mask = item_mask if item_mask is None or len(item_mask) == 1 else item_mask[part]
                parts.append(self._run(batch.take(part), min(depth, self._rows), mask))
        scores, rows, queries = (np.concatenate(each) for each in zip(*parts, strict=True))
        return retrieved(scores, rows, queries)

    def _run(
        self, batch: RequestBatch, depth: int, item_mask: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]:
        binding = self._session.io_binding()
        for name, value in self._filled(batch, depth).items():
            binding.bind_ortvalue_input(name, value)
        binding.bind_ortvalue_input(names.IN_ITEM_MATRIX, self._matrix)
        binding.bind_ortvalue_input(names.IN_MATRIX_UNIT, self._unit)
        binding.bind_ortvalue_input(names.IN_ITEM_MASK, self._mask(item_mask, len(batch)))
        for name in _OUTPUTS:
            binding.bind_output(name, "cpu")
        self._session.run_with_iobinding(binding)
        scores, rows, queries = (value[: len(batch)] for value in binding.copy_outputs_to_cpu())
        return scores, rows, queries

    def _filled(self, batch: RequestBatch, depth: int) -> Mapping[str, Any]:
        """The buffers of the batch's bucket, filled."""
        size = batch_bucket(len(batch))
        window, dim = batch.event_rows.shape[1], batch.long_vector.shape[1]
        width = excluded_bucket(batch.exclude_rows.shape[1])
        given_query = np.zeros((1, dim), np.float32) if batch.given_query is None else batch.given_query
        given = np.zeros(1, np.bool_) if batch.given is None else batch.given
        ages = age_buckets(batch.event_times, batch.now[:, None])
        wide = min(depth + SLACK, self._rows)
        values: dict[str, NDArray[Any]] = {
            names.IN_EVENT_VECTORS: padded(self._items.vectors_of(batch.event_rows), size, window, dim),
            names.IN_EVENT_TYPES: padded(batch.event_types.astype(np.int64), size, window),
            names.IN_AGE_BUCKETS: padded(ages, size, window),
            names.IN_LONG_VECTOR: padded(batch.long_vector, size, dim),
            names.IN_LONG_WEIGHT: padded(batch.long_weight[:, None], size, 1),
            names.IN_GIVEN_QUERY: padded(given_query, size, dim),
            names.IN_GIVEN: padded(given[:, None], size, 1),
            names.IN_EXCLUDE_ROWS: padded(batch.exclude_rows, size, width),
        }
        filled = {name: self._buffer(name, value) for name, value in values.items()}
        filled[names.IN_NEVER] = self._never(size, width)
        for name, count in ((names.IN_TOP_K, depth), (names.IN_WIDE_K, wide)):
            filled[name] = self._on_host(count)
        if self._by_blocks:
            filled[names.IN_BLOCK_COUNT] = self._on_host(min(wide, self._blocks))
        return filled

    def _mask(self, item_mask: NDArray[np.bool_] | None, size: int) -> Any:
        if item_mask is None:
            return self._all_items
        lines = 1 if len(item_mask) == 1 else batch_bucket(size)
        return self._buffer(names.IN_ITEM_MASK, padded(item_mask, lines, self._rows))

    def _buffer(self, name: str, value: NDArray[Any]) -> Any:
        """The buffer of that name and shape on the device, holding `value`."""
        key = (name, value.shape)
        if key in self._buffers:
            self._buffers[key].update_inplace(value)
        else:
            self._buffers[key] = self._placed(value.copy())  # on the CPU a buffer is the very array that it is given
        return self._buffers[key]

    def _never(self, size: int, width: int) -> Any:
        key = (names.IN_NEVER, (size, width))
        if key not in self._buffers:
            self._buffers[key] = self._placed(np.full((size, width), -np.inf, dtype=np.float16))
        return self._buffers[key]

    def _placed(self, value: NDArray[Any]) -> Any:
        return runtime().OrtValue.ortvalue_from_numpy(np.ascontiguousarray(value), self._place, 0)

    def _on_host(self, count: int) -> Any:
        """A number that kernels read on the host."""
        return runtime().OrtValue.ortvalue_from_numpy(np.array([count], dtype=np.int64), "cpu", 0)


def open_half_retriever(
    folder: Path, items: Items, score_scales: NDArray[np.float32], device: Device, window: int
) -> HalfRetriever:
    """The graph of the bundle in `folder` on a device, after one run that shows where its nodes are.

    Args:
        folder: of the bundle.
        items: its item table.
        score_scales: `[rows]`, of a score.
        device: where it shall run.
        window: events that a request holds.

    Raises:
        DeviceUnavailable: there is no device.
        BundleUnfit: the bundle has no such graph, the device has no room for it, or would not run all of it.
        BundleCorrupt: the graph cannot be read.
    """
    path = folder / names.HALF_GRAPH
    if not path.exists():
        raise BundleUnfit(f"{folder}: has no {names.HALF_GRAPH}: export the bundle again, or serve with --device cpu")
    with tempfile.TemporaryDirectory(prefix="aisle-placement-") as beside:
        session = open_device_session(path, device.provider, device.memory_mb, Path(beside) / "run")
        try:
            retriever = HalfRetriever(session, items, score_scales, device, partial(_on_cpu, folder, items))
            retriever.run_on_device(_blank(window, items.vectors.shape[1]), 1)
        except runtime_errors() as error:
            reason = str(error).partition("\n")[0]
            raise BundleUnfit(
                f"{path}: {device.provider} cannot run it ({reason}); the item matrix alone takes "
                f"{2 * items.vectors.size / 1e6:,.0f} MB of the device"
            ) from error
        require_on_device(nodes_in(Path(session.end_profiling())), device.provider)
    return retriever


def _on_cpu(folder: Path, items: Items) -> Retriever:
    return Retriever(open_session(folder / names.RETRIEVE_GRAPH, 1), items)


def _blank(window: int, dim: int) -> RequestBatch:
    """One request of which nothing is known."""
    return RequestBatch(
        now=np.full(1, np.nan),
        event_rows=np.zeros((1, window), dtype=np.int32),
        event_types=np.zeros((1, window), dtype=np.uint8),
        event_times=np.full((1, window), np.nan),
        long_vector=np.zeros((1, dim), dtype=np.float32),
        long_weight=np.zeros(1, dtype=np.float32),
        exclude_rows=np.zeros((1, 0), dtype=np.int64),
    )
