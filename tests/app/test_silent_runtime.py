"""ONNX Runtime reports nothing to its maker: neither the service nor the job leave a file of its telemetry."""

import os
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

TRACES = (".cache/Microsoft", ".ses")
PASSED_ON = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH")  # not CI and its like, where the runtime is silent by itself


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
    nodes = [helper.make_node("Identity", ["x"], ["y"])]
    made = helper.make_graph(nodes, "same", value[:1], value[1:])
    path = tmp_path / "graph.onnx"
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def traces_of(graph: Path, code: str, **variables: str) -> list[str]:
    """The files of telemetry that a fresh process leaves which runs `code`, its home and temporary folder empty."""
    home = graph.parent / "home"
    home.mkdir()
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    environment |= {"HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache"), "TMPDIR": str(home)} | variables
    subprocess.run([sys.executable, "-c", code, str(graph)], check=True, env=environment, timeout=120)
    return [trace for trace in TRACES if (home / trace).exists()]


@pytest.mark.parametrize("first", ["app.engine.runtime", "offline.export.graph_writer", "offline.cli"])
def test_nothing_is_written_for_the_maker_of_the_runtime(graph: Path, first: str) -> None:
    code = f"import sys, {first}, onnxruntime; onnxruntime.InferenceSession(sys.argv[1])"
    assert traces_of(graph, code) == []


def test_the_traces_are_those_of_this_runtime(graph: Path) -> None:
    code = "import sys, onnxruntime; onnxruntime.InferenceSession(sys.argv[1])"
    assert traces_of(graph, code) == list(TRACES), "the runtime keeps its telemetry elsewhere now: look for it there"


def test_these_tests_are_silent_too() -> None:
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"
