"""ONNX Runtime sessions, opened for a request path: one thread at a time, no spinning, checked placement on devices."""

import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from app.errors import BundleCorrupt, BundleUnfit, DeviceUnavailable, RuntimeMissing

_COPIES: Final = ("MemcpyToHost", "MemcpyFromHost")
_WHOLE_NUMBERS: Final = frozenset({"int64", "int32", "bool"})
_LONGEST_SHAPE: Final = 16


@dataclass(frozen=True)
class RunNode:
    """A node of a graph that has run."""

    kind: str  # of the operator
    provider: str
    outputs: tuple[tuple[str, tuple[int, ...]], ...]  # element type and shape of each

    @property
    def is_shape(self) -> bool:
        """Whether its outputs are only sizes and axes, which the host computes wherever the data are."""
        return all(
            kind in _WHOLE_NUMBERS and len(shape) <= 1 and sum(shape) <= _LONGEST_SHAPE for kind, shape in self.outputs
        )


def nodes_in(profile: Path) -> list[RunNode]:
    """The nodes of a run in order, from the profile of `InferenceSession.end_profiling`."""
    nodes = []
    for event in json.loads(profile.read_text("utf-8")):
        details: dict[str, Any] = event.get("args", {})
        if event.get("cat") == "Node" and "output_type_shape" in details:
            outputs = tuple(
                (kind, tuple(shape)) for output in details["output_type_shape"] for kind, shape in output.items()
            )
            nodes.append(RunNode(details["op_name"], details["provider"], outputs))
    return nodes


def require_on_device(nodes: list[RunNode], provider: str) -> None:
    """Check that all nodes of one run computed on the device of `provider`.

    Raises:
        BundleUnfit: a node computed elsewhere, or data were copied between host and device; names them.
    """
    elsewhere = [node for node in nodes if not node.is_shape and (node.provider != provider or node.kind in _COPIES)]
    if not nodes or elsewhere:
        kinds = Counter(node.kind for node in elsewhere)
        named = ", ".join(f"{kind} ({count})" for kind, count in kinds.most_common()) or "nothing at all"
        raise BundleUnfit(
            f"expected every node of the graph on {provider}, got on the CPU or as copies: {named}; this ONNX Runtime "
            "lacks kernels for them: install the version of requirements.lock, or serve with --device cpu"
        )


CPU: Final = "CPUExecutionProvider"
CUDA: Final = "CUDAExecutionProvider"
CAPTURE: Final = "enable_cuda_graph"
"""The option of `CUDA` for sessions whose runs can be captured."""


def runtime() -> Any:
    """The `onnxruntime` module.

    Raises:
        RuntimeMissing: it is not installed; the message is the one line to act on.
    """
    try:
        import onnxruntime  # noqa: PLC0415 - the plain install has none, and must be able to say so
    except ImportError as error:
        raise RuntimeMissing(
            "no ONNX Runtime is installed: `pip install 'aisle[cpu]'` (or 'aisle[gpu]' on an NVIDIA machine)"
        ) from error
    return onnxruntime


def runtime_errors() -> tuple[type[Exception], ...]:
    """The errors of ONNX Runtime where a graph cannot be opened or run, or a device has no memory for a tensor."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state  # noqa: PLC0415 - the plain install has none

    return (
        RuntimeError,
        state.Fail,
        state.RuntimeException,
        state.EPFail,
        state.InvalidGraph,
        state.InvalidProtobuf,
        state.NotImplemented,
        state.NoSuchFile,
    )


def available_cores() -> int:
    """Cores this process may use: its affinity, and the control group's quota where one is set."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text("ascii").split()
    except (OSError, ValueError):
        return cores
    return cores if quota == "max" else max(1, min(cores, int(quota) // int(period)))


def open_session(path: Path, threads: int, model: bytes | None = None) -> Any:
    """An `InferenceSession` on the CPU.

    Args:
        threads: threads inside one run; 0 takes the cores that this process may use.
        model: what is opened instead of the content of `path`, which it was made of.

    Raises:
        BundleCorrupt: the runtime cannot load the graph.
    """
    options = _options()
    options.intra_op_num_threads = threads or available_cores()
    return _open(path, options, [CPU], model)


def open_device_session(path: Path, provider: str, memory_mb: int, profile: Path, *, captures: bool) -> Any:
    """An `InferenceSession` on `provider`, which profiles where nodes run until `end_profiling` is called.

    Args:
        memory_mb: limit of the device memory that runs take; 0 for no limit.
        profile: path that the name of the profile's file begins with.
        captures: whether its runs can be captured, where the provider is CUDA.

    Raises:
        DeviceUnavailable: this runtime lacks the provider, or the provider finds no device.
        BundleCorrupt: the runtime cannot load the graph.
    """
    ort = runtime()
    if provider not in ort.get_available_providers():
        raise DeviceUnavailable(
            f"this ONNX Runtime has no {provider}: install 'aisle[gpu]' into an environment without the package "
            "onnxruntime, or serve with --device cpu"
        )
    provider_options: dict[str, str] = {}
    if provider == CUDA:
        ort.preload_dlls()  # CUDA's libraries from pip's packages
        # Sums in full float32, as on the CPU; and device memory is not doubled at each extension.
        provider_options = {"use_tf32": "0", "arena_extend_strategy": "kSameAsRequested"}
        if captures:
            provider_options[CAPTURE] = "1"
        if memory_mb:
            provider_options["gpu_mem_limit"] = str(memory_mb * 2**20)
    options = _options()
    options.intra_op_num_threads = 1
    options.enable_profiling = True
    options.profile_file_prefix = str(profile)
    try:
        session = _open_with_capture(path, options, provider, provider_options)
    except BundleCorrupt as error:
        open_session(path, 1)  # raises here, too, where the graph itself is the cause
        raise DeviceUnavailable(f"{error.message}, but runs on the CPU: it is {provider} that is at fault") from error
    if provider not in session.get_providers():
        raise DeviceUnavailable(
            f"ONNX Runtime {ort.__version__} could not start its {provider}: see that `nvidia-smi` shows a device and "
            "that its driver is as new as the CUDA of the package, or serve with --device cpu"
        )
    return session


def can_capture(session: Any) -> bool:
    """Whether the kernels of the session's runs can be captured once and replayed (a CUDA graph)."""
    return bool(session.get_provider_options().get(CUDA, {}).get(CAPTURE) == "1")


def capture_options(graph_id: int | None) -> Any:
    """The options of a run of a session that can capture: the first run of a `graph_id` captures, later ones replay.

    Args:
        graph_id: not negative; `None` for a run that is not captured.
    """
    options = runtime().RunOptions()
    options.add_run_config_entry("gpu_graph_id", "-1" if graph_id is None else str(graph_id))
    return options


def _open_with_capture(path: Path, options: Any, provider: str, provider_options: dict[str, str]) -> Any:
    """Open a session that can capture, or one that cannot where the runtime refuses to capture this graph."""
    try:
        return _open(path, options, [(provider, provider_options)])
    except BundleCorrupt:
        if CAPTURE not in provider_options:
            raise
        without = {name: value for name, value in provider_options.items() if name != CAPTURE}
        return _open(path, options, [(provider, without)])


def _options() -> Any:
    options = runtime().SessionOptions()
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads would burn cores
    options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")  # the arena would round up
    options.log_severity_level = 3
    return options


def _open(
    path: Path, options: Any, providers: Sequence[str | tuple[str, dict[str, str]]], model: bytes | None = None
) -> Any:
    ort = runtime()
    try:
        session = ort.InferenceSession(str(path) if model is None else model, options, providers=list(providers))
    except runtime_errors() as error:
        first_line = str(error).splitlines()[0]
        raise BundleCorrupt(
            f"{path}: ONNX Runtime {ort.__version__} refuses it ({first_line}): export the bundle again"
        ) from error
    if model is not None:
        session.disable_fallback()  # to another provider, for which alone it keeps
        session._model_bytes = None  # a second copy of all item vectors
    return session
