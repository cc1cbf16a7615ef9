"""ONNX Runtime sessions, opened in the one way that suits a request path."""

import os
from pathlib import Path
from typing import Any

from app.errors import BundleCorrupt, RuntimeMissing


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


def available_cores() -> int:
    """Cores this process may use: its affinity, and the control group's quota where one is set."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text("ascii").split()
    except (OSError, ValueError):
        return cores
    return cores if quota == "max" else max(1, min(cores, int(quota) // int(period)))


def open_session(path: Path, threads: int) -> Any:
    """An `InferenceSession` on the CPU.

    Args:
        path: the graph.
        threads: threads inside one run; 0 takes the cores that this process may use.

    Raises:
        BundleCorrupt: the runtime cannot load the graph.
    """
    ort = runtime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or available_cores()
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads would burn cores
    options.log_severity_level = 3
    from onnxruntime.capi import onnxruntime_pybind11_state as state  # noqa: PLC0415 - as above

    refusals = (state.Fail, state.InvalidGraph, state.InvalidProtobuf, state.NotImplemented, state.NoSuchFile)
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except refusals as error:
        first_line = str(error).splitlines()[0]
        raise BundleCorrupt(f"{path}: ONNX Runtime {ort.__version__} refuses it ({first_line})") from error
