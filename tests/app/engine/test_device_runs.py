"""Runs on a device: bound once for each combination of shapes; what is captured, when, and what happens if it fails."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from app.engine.device_runs import MOST_BOUND, DeviceRuns, opening_session
from app.engine.runtime import CAPTURE, CUDA, can_capture, open_session, runtime

WIDTH = 4


class Capturing:
    """A real session on the CPU that takes part as one that captures; notes the graph id of each run."""

    def __init__(self, session: Any, fails_on: Callable[[str], bool] = lambda _: False) -> None:
        self._session = session
        self._fails_on = fails_on
        self.io_binding = session.io_binding
        self.graph_ids: list[str] = []

    def get_provider_options(self) -> dict[str, dict[str, str]]:
        return {CUDA: {CAPTURE: "1"}}

    def run_with_iobinding(self, binding: Any, options: Any) -> None:
        graph_id = options.get_run_config_entry("gpu_graph_id")
        self.graph_ids.append(graph_id)
        if self._fails_on(graph_id):
            raise RuntimeError("operation failed due to a previous error during capture\nand more")
        self._session.run_with_iobinding(binding)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Adds one to each number of `x`, `[batch, WIDTH]`."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", WIDTH]) for name in "xy")
    one = helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0])
    graph = helper.make_graph([helper.make_node("Add", ["x", "one"], ["y"])], "add", [x], [y], [one])
    path = tmp_path_factory.mktemp("graph") / "add.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), str(path))
    return open_session(Path(path), 1)


class Adder:
    """Runs the graph on batches; its inputs lie in one buffer for each size."""

    def __init__(self, session: Any) -> None:
        self.runs = DeviceRuns(session, "cpu")
        self._buffers: dict[int, Any] = {}

    def __call__(self, values: np.ndarray) -> np.ndarray:
        size = len(values)

        def fill() -> dict[str, Any]:
            if size in self._buffers:
                self._buffers[size].update_inplace(values)
            else:
                self._buffers[size] = runtime().OrtValue.ortvalue_from_numpy(values.copy(), "cpu", 0)
            return {"x": self._buffers[size]}

        (result,) = self.runs.run(size, fill, {"y": ((size, WIDTH), np.float32)})
        return result


def batch(size: int, value: float) -> np.ndarray:
    return np.full((size, WIDTH), value, dtype=np.float32)


def test_every_run_reads_its_own_inputs_and_keeps_its_outputs(session: Any) -> None:
    add = Adder(session)
    results = [(size, value, add(batch(size, value))) for value in (1.0, 5.0, 2.0) for size in (3, 1, 3)]
    for size, value, result in results:
        np.testing.assert_array_equal(result, batch(size, value + 1))


def test_the_graph_id_of_a_combination_of_shapes_is_its_own_and_stays(session: Any) -> None:
    capturing = Capturing(session)
    add = Adder(capturing)
    for size in (2, 5, 2, 5, 2):
        np.testing.assert_array_equal(add(batch(size, 3.0)), batch(size, 4.0))
    assert capturing.graph_ids == ["0", "1", "0", "1", "0"]


def test_combinations_past_the_limit_run_without_a_capture(session: Any) -> None:
    capturing = Capturing(session)
    add = Adder(capturing)
    for size in range(1, MOST_BOUND + 3):
        np.testing.assert_array_equal(add(batch(size, 1.0)), batch(size, 2.0))
    assert capturing.graph_ids == [str(number) for number in range(MOST_BOUND)] + ["-1", "-1"]
    assert add(batch(MOST_BOUND + 2, 7.0))[0, 0] == 8.0
    assert capturing.graph_ids[-1] == "-1"


def test_nothing_is_captured_while_a_session_opens_and_what_is_captured_goes_on(session: Any) -> None:
    capturing = Capturing(session)
    add = Adder(capturing)
    add(batch(1, 0.0))
    with opening_session():
        add(batch(1, 0.0))
        add(batch(2, 0.0))
        with opening_session():
            add(batch(2, 0.0))
        add(batch(2, 0.0))
    add(batch(2, 0.0))
    assert capturing.graph_ids == ["0", "0", "-1", "-1", "-1", "1"]


def test_a_capture_that_fails_ends_capturing_and_not_the_run(session: Any, caplog: pytest.LogCaptureFixture) -> None:
    capturing = Capturing(session, fails_on=lambda graph_id: graph_id == "1")
    add = Adder(capturing)
    for size in (1, 2, 1, 3):
        np.testing.assert_array_equal(add(batch(size, 3.0)), batch(size, 4.0))
    assert capturing.graph_ids == ["0", "1", "-1", "0", "-1"]  # what was captured before is still replayed
    assert [record.__dict__["reason"] for record in caplog.records] == [
        "operation failed due to a previous error during capture"
    ]


def test_a_replay_that_fails_is_the_failure_of_the_device(session: Any) -> None:
    is_gone = False
    capturing = Capturing(session, fails_on=lambda _: is_gone)
    add = Adder(capturing)
    add(batch(1, 3.0))
    is_gone = True
    with pytest.raises(RuntimeError, match="previous error"):
        add(batch(1, 3.0))


def test_a_session_on_the_cpu_does_not_capture(session: Any) -> None:
    assert not can_capture(session)
    assert can_capture(Capturing(session))
