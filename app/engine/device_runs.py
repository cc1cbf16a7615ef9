"""Runs of a graph on a device: bound once for each combination of shapes, captured on CUDA, one at a time."""

import logging
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import RLock, get_ident
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from app.engine.runtime import can_capture, capture_options, runtime, runtime_errors

MOST_BOUND: Final = 64
"""Combinations of shapes that stay bound, and captured; runs of further ones are bound anew each time."""

log = logging.getLogger(__name__)


class _Device:
    """What all sessions of the process share: one run at a time, and none is captured while a session opens.

    A capture fails where another thread takes or frees device memory, as opening and closing a session do.
    """

    def __init__(self) -> None:
        self.lock = RLock()
        self.opening = 0


_DEVICE: Final = _Device()


@contextmanager
def opening_session() -> Iterator[None]:
    """Hold back captures while the body opens a session; runs go on."""
    with _DEVICE.lock:
        _DEVICE.opening += 1
    try:
        yield
    finally:
        with _DEVICE.lock:
            _DEVICE.opening -= 1


@contextmanager
def no_capture() -> Iterator[None]:
    """Wait for a run that is under way, and keep others from starting: for a body that frees device memory."""
    with _DEVICE.lock:
        yield


@dataclass(frozen=True)
class _BoundRun:
    """Inputs and outputs of one combination of shapes, at addresses that stay."""

    binding: Any
    outputs: tuple[Any, ...]  # OrtValues on the device
    graph_id: int | None  # `None` for runs that are not captured


class DeviceRuns:
    """Runs a session on a device.

    Args:
        session: a session of ONNX Runtime.
        kind: the device's name in ONNX Runtime.
    """

    def __init__(self, session: Any, kind: str) -> None:
        self.session = session
        self._kind = kind
        self._can_capture = can_capture(session)
        self._has_failed_to_capture = False
        self._captured: set[tuple[int, int]] = set()  # by thread: the runtime keeps what it captures for each of them
        self._bound: dict[Hashable, _BoundRun] = {}

    def run(
        self,
        shapes: Hashable,
        fill: Callable[[], Mapping[str, Any]],
        outputs: Mapping[str, tuple[tuple[int, ...], DTypeLike]],
    ) -> list[NDArray[Any]]:
        """Fill the inputs, run, and return the outputs in an array each.

        Args:
            shapes: identifies the shapes of all inputs and outputs, and every number that kernels read on the host.
            fill: writes the inputs into OrtValues and returns them; for the same `shapes` always the same OrtValues,
                but for numbers on the host.
            outputs: name, shape and type of each output.
        """
        with _DEVICE.lock:
            inputs = fill()
            bound = self._bound.get(shapes) or self._bind(shapes, inputs, outputs)
            self._run(bound)
            return [np.array(value.numpy()) for value in bound.outputs]

    def _run(self, bound: _BoundRun) -> None:
        if not self._can_capture:
            self.session.run_with_iobinding(bound.binding)
            return
        if bound.graph_id is None:
            self.session.run_with_iobinding(bound.binding, capture_options(None))
            return
        key = (get_ident(), bound.graph_id)
        is_captured = key in self._captured
        if not is_captured and (self._has_failed_to_capture or _DEVICE.opening):
            self.session.run_with_iobinding(bound.binding, capture_options(None))
            return
        try:
            self.session.run_with_iobinding(bound.binding, capture_options(bound.graph_id))
        except runtime_errors() as error:
            if is_captured:
                raise
            log.warning("the GPU captures no further kernels", extra={"reason": str(error).partition("\n")[0]})
            self._has_failed_to_capture = True
            self.session.run_with_iobinding(bound.binding, capture_options(None))
        else:
            self._captured.add(key)

    def _bind(
        self,
        shapes: Hashable,
        inputs: Mapping[str, Any],
        outputs: Mapping[str, tuple[tuple[int, ...], DTypeLike]],
    ) -> _BoundRun:
        binding = self.session.io_binding()
        for name, value in inputs.items():
            binding.bind_ortvalue_input(name, value)
        values = []
        for name, (shape, dtype) in outputs.items():
            value = runtime().OrtValue.ortvalue_from_shape_and_type(shape, dtype, self._kind, 0)
            binding.bind_ortvalue_output(name, value)
            values.append(value)
        stays = len(self._bound) < MOST_BOUND
        bound = _BoundRun(binding, tuple(values), len(self._bound) if stays else None)
        if stays:
            self._bound[shapes] = bound
        return bound
